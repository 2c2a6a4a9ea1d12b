# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What OpenCV's matchers have in common: grey images in, sixteenths of a pixel out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.frames import DisparityMap, StereoFrame
from ldn_perception.stereo.disparity_refinement import keep_inside
from ldn_perception.stereo.pair_checks import blank_side, take_pair, unknown_disparity

STEP_PX = 1 / 16
"""Smallest difference of disparity that OpenCV returns."""


class OpencvSearch:
    """Runs a matcher of OpenCV over the whole image.

    OpenCV leaves the columns without a result from which the search reaches outside of the right
    image, and some matchers a frame as well. Both images are therefore extended, and only the
    disparities that point outside of the real right image are thrown away.

    Args:
        algorithm: The matcher of OpenCV.
        min_disparity: Smallest disparity it searches [px].
        max_disparity: It searches disparities below it [px].
        frame_px: Width of the frame that it leaves without a result [px].
    """

    def __init__(
        self, algorithm: cv2.StereoMatcher, min_disparity: int, max_disparity: int,
        frame_px: int = 0,
    ) -> None:
        self._algorithm = algorithm
        self._min_disparity, self._max_disparity = min_disparity, max_disparity
        self._left_px = max(0, max_disparity) + frame_px
        self._right_px = max(0, -min_disparity) + frame_px
        self._frame_px = frame_px

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image, without confidence; unknown in a pair without texture.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        left, right = take_pair(frame, self._min_disparity, self._max_disparity)
        shape = frame.geometry.shape
        problem = blank_side(left, right)
        if problem:
            return unknown_disparity(
                shape, self._min_disparity, self._max_disparity - 1, STEP_PX, problem,
                gives_confidence=False)
        fixed = self._algorithm.compute(self._prepared(left), self._prepared(right))
        height, width = shape
        inner = fixed[self._frame_px:self._frame_px + height,
                      self._left_px:self._left_px + width]
        disparity = inner.astype(np.float32)
        disparity *= STEP_PX
        disparity[disparity < self._min_disparity] = np.nan
        return DisparityMap(
            torch.from_numpy(keep_inside(disparity)), self._min_disparity,
            self._max_disparity - 1, STEP_PX)

    def _prepared(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.copyMakeBorder(
            grey, self._frame_px, self._frame_px, self._left_px, self._right_px,
            cv2.BORDER_REPLICATE), np.uint8)
