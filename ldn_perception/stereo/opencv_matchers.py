# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV's block matching and semi-global block matching.

Source of block matching: Konolige, Small vision systems: hardware and implementation, ISRR 1997.

Source of semi-global block matching: Hirschmüller, Stereo Processing by Semiglobal Matching and
Mutual Information, PAMI 2008.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import StereoError
from ldn_perception.stereo.disparity_refinement import keep_inside
from ldn_perception.stereo.matcher import blank_side, take_pair, unknown_disparity
from ldn_perception.types import DisparityMap, StereoFrame

SMALLEST_BLOCK_PX = 5
"""Smallest block side that OpenCV accepts [px]."""


class BlockMatcher:
    """Block matching on the CPU: sums of absolute differences, each pixel independently.

    Args:
        min_disparity: Smallest disparity searched [px].
        max_disparity: End of the search range, exclusive; min_disparity plus a multiple of
            16 [px].
        block_size: Side of the matched block, odd, >= 5 [px].
        uniqueness_percent: Margin of the best match over the second best [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 disables it.
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
        # More than half a block, so that even an image of one row is larger than a block.
        self._search = OpencvSearch(
            algorithm, min_disparity, max_disparity, block_size // 2 + 1)

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Compute the disparity of the left image; see OpencvSearch.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search range.
        """
        return self._search.match(frame)


MODES = {
    3: cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    5: cv2.STEREO_SGBM_MODE_SGBM,
    8: cv2.STEREO_SGBM_MODE_HH,
}
"""Number of paths -> OpenCV mode."""


class SemiGlobalBlockMatcher:
    """Semi-global matching of small blocks on the CPU.

    Args:
        min_disparity: Smallest disparity searched [px].
        max_disparity: End of the search range, exclusive; min_disparity plus a multiple of
            16 [px].
        block_size: Side of the matched block, odd [px].
        num_paths: Number of aggregation paths, a key of MODES.
        uniqueness_percent: Margin of the best match over the second best [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 disables it.
        speckle_size: Regions up to this size are removed [px].
        speckle_range: Disparity step inside a region [px].
    """

    gives_confidence = False

    def __init__(
        self, *, min_disparity: int = 0, max_disparity: int = 128, block_size: int = 5,
        num_paths: int = 3, uniqueness_percent: int = 10, left_right_tolerance: int = 1,
        speckle_size: int = 100, speckle_range: int = 2,
    ) -> None:
        algorithm = cv2.StereoSGBM.create(
            minDisparity=min_disparity,
            numDisparities=max_disparity - min_disparity,
            blockSize=block_size,
            P1=8 * block_size**2,
            P2=32 * block_size**2,
            disp12MaxDiff=left_right_tolerance,
            uniquenessRatio=uniqueness_percent,
            speckleWindowSize=speckle_size,
            speckleRange=speckle_range,
            mode=MODES[num_paths],
        )
        self._search = OpencvSearch(algorithm, min_disparity, max_disparity)

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Compute the disparity of the left image; see OpencvSearch.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search range.
        """
        return self._search.match(frame)


STEP_PX = 1 / 16
"""Disparity resolution of OpenCV [px]."""


class OpencvSearch:
    """Runs an OpenCV matcher over the whole image.

    OpenCV gives no result for columns from which the search range leaves the right image; some
    matchers also omit a frame. Both images are therefore padded, and only disparities that point
    outside the real right image are discarded.

    Args:
        algorithm: The OpenCV matcher.
        min_disparity: Smallest disparity searched [px].
        max_disparity: End of the search range, exclusive [px].
        frame_px: Width of the frame without results [px].
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
        """Compute the disparity of the left image, without confidence; all NaN if not matchable.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search range.
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
