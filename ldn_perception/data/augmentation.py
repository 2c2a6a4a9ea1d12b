# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Random crops and random camera appearance for training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.models.segmentation_model import IMAGE_MEAN

_LUMA = np.array([0.299, 0.587, 0.114])  # Luma weights of ITU-R BT.601.
_DETAIL_PX = 1.0  # Sigma of the blur that separates detail from the image.


@dataclass(frozen=True, slots=True)
class CameraLook:
    """Random variation of camera appearance during training.

    Foreign domains are recorded by other cameras than street domains. A network that can tell the
    cameras apart need not learn what a street looks like, and then calls the streets of a third
    camera foreign. Every image, street or not, is therefore changed as if by a random camera.

    Attributes:
        colour_jitter: Largest relative change of brightness, contrast and saturation, in [0, 1).
        grey_share: Share of the images converted to grey, in [0, 1]; many stereo cameras have no
            colour.
        white_balance: Largest change of the logarithm of the red, green and blue gains, drawn per
            channel, >= 0.
        sharpness: Largest share of the detail finer than one or two pixels that is removed or
            added, in [0, 1].

    Source: ours; the thesis trains and tests with the same cameras.
    """

    colour_jitter: float = 0.0
    grey_share: float = 0.0
    white_balance: float = 0.0
    sharpness: float = 0.0

    def seen(
        self, image: NDArray[np.uint8], random: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Apply a random camera appearance to an image.

        Args:
            image: (H, W, 3) uint8 RGB.
            random: Random generator.

        Returns:
            (H, W, 3) uint8 RGB; the input array itself if nothing changes.
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
"""Fill colour outside an image, (3,) uint8 RGB."""

_SAME_CAMERA = CameraLook()
_NEAREST = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST is off by up to half a pixel


@dataclass(frozen=True, slots=True)
class TrainingView:
    """Network input and targets of one image in one training step.

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
    """Random scale, crop, flip and camera appearance.

    Attributes:
        height_px: Height of the crop.
        width_px: Width of the crop.
        smallest_scale: Minimum random scale.
        largest_scale: Maximum random scale; the scale is drawn log-uniformly.
        look: Random variation of camera appearance.

    Source: thesis section 4.6.1: flip, scale between 0.5 and 2, crop, mean pixel outside. The crop
    position is uniform, so flipping last makes no difference. The thesis does not state the
    distribution of the scale.
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
        """Draw a random view of an image.

        Flipping a stereo pair would swap its cameras. The network input is the size of a metre,
        which does not change with a flip. It is scaled with the image.

        Args:
            image: (H, W, 3) uint8 RGB.
            targets: (H, W) uint8.
            pixels_per_metre: (H, W) float32 [px/m] or None.
            unknown: Target value outside the image.
            random: Random generator.

        Returns:
            New arrays. Pixels outside the image have the mean colour, without camera appearance.
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
    """Window of an image; it may extend beyond the border."""

    top: int
    left: int
    height: int
    width: int

    def inside(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Part of the image inside the window."""
        bottom, right = self.top + self.height, self.left + self.width
        return plane[max(0, self.top):bottom, max(0, self.left):right]

    def framed(self, part: NDArray[Any], outside: object) -> NDArray[Any]:
        """Window filled with the output of `inside`, padded with `outside`."""
        window = np.empty((self.height, self.width, *part.shape[2:]), part.dtype)
        window[...] = outside
        top, left = max(0, -self.top), max(0, -self.left)
        window[top:top + part.shape[0], left:left + part.shape[1]] = part
        return window


def _resize(plane: NDArray[Any], size: tuple[int, ...], interpolation: int) -> NDArray[Any]:
    return np.asarray(cv2.resize(plane, (size[1], size[0]), interpolation=interpolation))
