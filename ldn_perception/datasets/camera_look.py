# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The same place, seen by a camera with other colours and another sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

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
