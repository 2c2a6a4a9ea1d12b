# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV's semi-global block matching.

Source: Hirschmüller, Stereo Processing by Semiglobal Matching and Mutual Information, PAMI 2008.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap, StereoFrame

MODES = {
    '3way': cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    '5': cv2.STEREO_SGBM_MODE_SGBM,
    '8': cv2.STEREO_SGBM_MODE_HH,
}
"""OpenCV's mode by number of paths."""

_SUBPIXEL = 16  # OpenCV returns sixteenths of a pixel


class SemiGlobalBlockMatcher:
    """Semi-global matching of small blocks on the CPU.

    OpenCV leaves the leftmost max_disparity columns without a result. Both images are therefore
    extended to the left, and only the disparities that point outside of the real right image are
    thrown away.

    Args:
        min_disparity: Smallest disparity searched [px].
        max_disparity: Disparities are searched below it; min_disparity plus a multiple of
            16 [px].
        block_size: Side of the matched block, odd [px].
        mode: Number of paths, a key of MODES.
        uniqueness_percent: Margin of the best match over the second best [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 leaves it out.
        speckle_size: Regions up to this size are removed [px].
        speckle_range: Disparity step inside a region [px].
    """

    def __init__(
        self, *, min_disparity: int = 0, max_disparity: int = 128, block_size: int = 5,
        mode: str = '3way', uniqueness_percent: int = 10, left_right_tolerance: int = 1,
        speckle_size: int = 100, speckle_range: int = 2,
    ) -> None:
        self._min_disparity = min_disparity
        self._max_disparity = max_disparity
        self._padding = max(0, max_disparity)
        self._matcher = cv2.StereoSGBM.create(
            minDisparity=min_disparity,
            numDisparities=max_disparity - min_disparity,
            blockSize=block_size,
            P1=8 * block_size**2,
            P2=32 * block_size**2,
            disp12MaxDiff=left_right_tolerance,
            uniquenessRatio=uniqueness_percent,
            speckleWindowSize=speckle_size,
            speckleRange=speckle_range,
            mode=MODES[mode],
        )

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        if frame.right is None:
            raise StereoError(
                'frame for the sgbm matcher', must_be='one with a right image', got='none',
                do='set stereo.matcher to external or publish the right image',
                reason='no_right_image',
            )
        width = frame.geometry.width
        if width <= self._max_disparity:
            raise StereoError(
                'image width', must_be=f'> stereo.max_disparity ({self._max_disparity} px)',
                got=f'{width} px', do='lower stereo.max_disparity', reason='too_narrow',
            )
        fixed = self._matcher.compute(self._prepared(frame.left), self._prepared(frame.right))
        disparity = fixed[:, self._padding:].astype(np.float32)
        disparity *= 1 / _SUBPIXEL
        column = np.arange(width, dtype=np.float32)
        disparity[(disparity < self._min_disparity) | (disparity > column)] = np.nan
        return DisparityMap(
            torch.from_numpy(disparity), self._min_disparity, self._max_disparity - 1,
            1 / _SUBPIXEL,
        )

    def _prepared(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.copyMakeBorder(
            grey, 0, 0, self._padding, 0, cv2.BORDER_REPLICATE), np.uint8)
