# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV's block matching: the quickest, and the sparsest.

Source: Konolige, Small vision systems: hardware and implementation, ISRR 1997.
"""

from __future__ import annotations

import cv2

from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap, StereoFrame
from ldn_perception.stereo.opencv_search import OpencvSearch

SMALLEST_BLOCK_PX = 5
"""Least side of a block that OpenCV takes [px]."""


class BlockMatcher:
    """Sums of absolute differences over a block, each pixel by itself, on the CPU.

    Args:
        min_disparity: Smallest disparity searched [px].
        max_disparity: Disparities are searched below it; min_disparity plus a multiple of
            16 [px].
        block_size: Side of the matched block, odd, >= 5 [px].
        uniqueness_percent: Margin of the best match over the second best [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 leaves it out.
        speckle_size: Regions up to this size are removed [px].
        speckle_range: Disparity step inside a region [px].

    Raises:
        StereoError: The block is too small.
    """

    gives_confidence = False

    def __init__(
        self, *, min_disparity: int = 0, max_disparity: int = 128, block_size: int = 15,
        uniqueness_percent: int = 10, left_right_tolerance: int = 1, speckle_size: int = 100,
        speckle_range: int = 2,
    ) -> None:
        if block_size < SMALLEST_BLOCK_PX:
            raise StereoError(
                'stereo.block_size', must_be=f'>= {SMALLEST_BLOCK_PX} for the bm matcher',
                got=block_size, do='take 15, or 0 for the default of the matcher',
                reason='options',
            )
        algorithm = cv2.StereoBM.create(max_disparity - min_disparity, block_size)
        algorithm.setMinDisparity(min_disparity)
        algorithm.setUniquenessRatio(uniqueness_percent)
        algorithm.setDisp12MaxDiff(left_right_tolerance)
        algorithm.setSpeckleWindowSize(speckle_size)
        algorithm.setSpeckleRange(speckle_range)
        # beyond half a block so that even an image of one row is larger than a block
        self._search = OpencvSearch(
            algorithm, min_disparity, max_disparity, block_size // 2 + 1)

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image; see OpencvSearch.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        return self._search.match(frame)
