# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Random views of labelled images and random looks of cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.models.segmentation_model import IMAGE_MEAN

_LUMA = np.array([0.299, 0.587, 0.114])  # of ITU-R BT.601
_DETAIL_PX = 1.0  # standard deviation of the blur whose difference to the image is its detail


@dataclass(frozen=True, slots=True)
class CameraLook:
    """How far the looks of cameras differ in a training.

    Foreign domains come from other cameras than streets do. A network that can tell the cameras
    apart by their look need not learn what a street is, and calls the street of a third camera
    foreign; so every image, street or not, is seen through a random camera.

    Attributes:
        colour_jitter: Brightness, contrast and saturation change by up to this part, in [0, 1).
        grey_share: Part of the images that lose their colour, in [0, 1]; many stereo cameras
            have none.
        white_balance: The logarithms of the gains of red, green and blue change by up to this,
            each by itself, at least 0.
        sharpness: Part of the detail finer than a pixel or two that is taken away or added at
            most, in [0, 1].

    Source: ours; the thesis trains and tests with the same cameras.
    """

    colour_jitter: float = 0.0
    grey_share: float = 0.0
    white_balance: float = 0.0
    sharpness: float = 0.0

    def seen(
        self, image: NDArray[np.uint8], random: np.random.Generator
    ) -> NDArray[np.uint8]:
        """See an image through a random camera.

        Args:
            image: (H, W, 3) uint8 RGB.
            random: All that is random comes from it.

        Returns:
            (H, W, 3) uint8 RGB; the image itself where nothing changes.
        """
        return self._sharpened(self._recoloured(image, random), random)

    def _recoloured(
        self, image: NDArray[np.uint8], random: np.random.Generator
    ) -> NDArray[np.uint8]:
        jitter = self.colour_jitter
        contrast, saturation, brightness = random.uniform(-jitter, jitter, 3)
        if random.random() < self.grey_share:
            saturation = -1.0
        gains = np.exp(random.uniform(-self.white_balance, self.white_balance, 3))
        if not jitter and saturation == 0 and not self.white_balance:
            return image
        mixing = (1 + contrast) * (
            (1 + saturation) * np.eye(3) - saturation * np.tile(_LUMA, (3, 1))) * gains
        offset = 255 * brightness / 2 - contrast * 127.5
        affine = np.hstack([mixing, np.full((3, 1), offset)])
        return np.asarray(cv2.transform(image, affine))

    def _sharpened(
        self, image: NDArray[np.uint8], random: np.random.Generator
    ) -> NDArray[np.uint8]:
        amount = random.uniform(-self.sharpness, self.sharpness)
        if not self.sharpness:
            return image
        blurred = cv2.GaussianBlur(image, (0, 0), _DETAIL_PX)
        return np.asarray(cv2.addWeighted(image, 1 + amount, blurred, -amount, 0))


MEAN_PIXEL = np.round(255 * np.array(IMAGE_MEAN)).astype(np.uint8)
"""(3,) uint8 RGB that fills what lies outside an image."""

_SAME_CAMERA = CameraLook()
_NEAREST = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST is up to half a pixel beside the image


@dataclass(frozen=True, slots=True)
class TrainingView:
    """What a network sees of an image in one step.

    Attributes:
        image: (h, w, 3) uint8 RGB.
        targets: (h, w) uint8.
        pixels_per_metre: (h, w) float32 [px/m], NaN where unknown; None without stereo.
    """

    image: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    pixels_per_metre: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random scale, crop and flip, and a random camera.

    Attributes:
        height_px: Height of the crop.
        width_px: Width of the crop.
        smallest_scale: The image is resized by a factor between this one...
        largest_scale: ... and this one, log-uniformly.
        look: How far the looks of cameras differ.

    Source: thesis section 4.6.1: flip, scale between 0.5 and 2, crop, mean pixel outside. A crop
    may lie anywhere, so it makes no difference that it is flipped last. How the thesis draws
    the scale is not said.
    """

    height_px: int
    width_px: int
    smallest_scale: float = 0.5
    largest_scale: float = 2.0
    look: CameraLook = _SAME_CAMERA

    def view(
        self,
        image: NDArray[np.uint8],
        targets: NDArray[np.uint8],
        pixels_per_metre: NDArray[np.float32] | None,
        unknown: int,
        random: np.random.Generator,
    ) -> TrainingView:
        """Take a random view of an image.

        A flipped pair would have its cameras swapped; what the network gets is the size of a
        metre, which a flip leaves as it is. A larger image has larger metres.

        Args:
            image: (H, W, 3) uint8 RGB.
            targets: (H, W) uint8.
            pixels_per_metre: (H, W) float32 [px/m] or None.
            unknown: Target outside the image.
            random: All that is random comes from it.

        Returns:
            New arrays; the pixels outside have the mean colour whatever becomes of the others.
        """
        limits = np.log([self.smallest_scale, self.largest_scale])
        scale = float(np.exp(random.uniform(*limits)))
        size = tuple(max(1, round(side * scale)) for side in targets.shape)
        crop = self._crop(size, random)
        flipped = random.random() < 0.5
        colours = crop.inside(
            _resize(image, size, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))
        planes = [
            crop.framed(self.look.seen(colours, random), MEAN_PIXEL),
            crop.framed(crop.inside(_resize(targets, size, _NEAREST)), unknown),
        ]
        if pixels_per_metre is not None:
            metres = crop.inside(_resize(pixels_per_metre, size, _NEAREST))
            planes.append(crop.framed(metres * np.float32(scale), np.nan))
        if flipped:
            planes = [np.ascontiguousarray(plane[:, ::-1]) for plane in planes]
        return TrainingView(planes[0], planes[1], planes[2] if len(planes) > 2 else None)

    def _crop(self, size: tuple[int, ...], random: np.random.Generator) -> _Crop:
        wanted = (self.height_px, self.width_px)
        slack = [have - want for have, want in zip(size, wanted, strict=True)]
        start = [int(random.integers(min(0, room), max(0, room) + 1)) for room in slack]
        return _Crop(start[0], start[1], *wanted)


@dataclass(frozen=True, slots=True)
class _Crop:
    """A window of an image, which may reach beyond it."""

    top: int
    left: int
    height: int
    width: int

    def inside(self, plane: NDArray[Any]) -> NDArray[Any]:
        """What the window shows of an image."""
        bottom, right = self.top + self.height, self.left + self.width
        return plane[max(0, self.top):bottom, max(0, self.left):right]

    def framed(self, part: NDArray[Any], outside: object) -> NDArray[Any]:
        """The whole window around what `inside` gave."""
        window = np.empty((self.height, self.width, *part.shape[2:]), part.dtype)
        window[...] = outside
        top, left = max(0, -self.top), max(0, -self.left)
        window[top:top + part.shape[0], left:left + part.shape[1]] = part
        return window


def _resize(plane: NDArray[Any], size: tuple[int, ...], interpolation: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(plane, (size[1], size[0]), interpolation=interpolation))
