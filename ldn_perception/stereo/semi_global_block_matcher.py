# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV's semi-global block matching.

Source: Hirschmüller, Stereo Processing by Semiglobal Matching and Mutual Information, PAMI 2008.
"""

from __future__ import annotations

import cv2

from ldn_perception.frames import DisparityMap, StereoFrame
from ldn_perception.stereo.opencv_search import OpencvSearch

MODES = {
    3: cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    5: cv2.STEREO_SGBM_MODE_SGBM,
    8: cv2.STEREO_SGBM_MODE_HH,
}
"""OpenCV's mode by number of paths."""


class SemiGlobalBlockMatcher:
    """Semi-global matching of small blocks on the CPU.

    Args:
        min_disparity: Smallest disparity searched [px].
        max_disparity: Disparities are searched below it; min_disparity plus a multiple of
            16 [px].
        block_size: Side of the matched block, odd [px].
        num_paths: Paths that end in a pixel, a key of MODES.
        uniqueness_percent: Margin of the best match over the second best [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 leaves it out.
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
        """Disparity of the left image; see OpencvSearch.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        return self._search.match(frame)
