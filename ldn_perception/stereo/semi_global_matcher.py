# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Semi-global matching of any matching cost on the CPU."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import StereoError
from ldn_perception.frames import CameraGeometry, DisparityMap, StereoFrame
from ldn_perception.row_workers import RowWorkers
from ldn_perception.stereo.disparity_refinement import (
    fill_from_background,
    keep_consistent,
    keep_inside,
    median_of_known,
    remove_speckles,
)
from ldn_perception.stereo.matching_cost import MatchingCost
from ldn_perception.stereo.semi_global_aggregation import (
    PATHS,
    SmoothnessPenalties,
    aggregate_costs,
)
from ldn_perception.stereo.winner_takes_all import take_winners

_STEP = 1 / 16


class SemiGlobalMatcher:
    """Costs, aggregation along paths, winners, refinement.

    The leftmost columns are matched like all others; only what points outside of the right image
    is unknown. Construction compiles what was not compiled before.

    Args:
        cost: What matching pixels costs.
        min_disparity: Smallest disparity searched [px].
        max_disparity: Disparities are searched below it [px].
        num_paths: Paths that end in a pixel, 4 or 8.
        penalties: What changes of disparity cost.
        uniqueness_percent: Margin of the best match over the second best, in [0, 100] [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 leaves it out.
        speckle_size: Regions up to this size are removed [px].
        speckle_range: Disparity step inside a region [px].
        median_side: Side of the median filter, 1, 3 or 5; 1 leaves it out [px].
        fills_holes: Whether what is unknown in the end is taken from the background.
        num_threads: Threads that share an image; the result does not depend on it.

    Raises:
        StereoError: The range of disparities is empty, or a choice is not one of those above.
    """

    def __init__(
        self, cost: MatchingCost, *, min_disparity: int = 0, max_disparity: int = 128,
        num_paths: int = 4, penalties: SmoothnessPenalties | None = None,
        uniqueness_percent: int = 0, left_right_tolerance: int = 1, speckle_size: int = 200,
        speckle_range: int = 2, median_side: int = 5, fills_holes: bool = False,
        num_threads: int = 1,
    ) -> None:
        _require('max_disparity', max_disparity, max_disparity > min_disparity + 1,
                 f'> {min_disparity + 1}, min_disparity + 1')
        _require('num_paths', num_paths, num_paths in PATHS, 'one of 4, 8')
        _require('median_side', median_side, median_side in (1, 3, 5), 'one of 1, 3, 5')
        _require('uniqueness_percent', uniqueness_percent, 0 <= uniqueness_percent <= 100,
                 'in [0, 100]')
        self._cost = cost
        self._min_disparity, self._max_disparity = min_disparity, max_disparity
        self._num_paths = num_paths
        self._penalties = penalties if penalties is not None else SmoothnessPenalties()
        self._uniqueness_percent = uniqueness_percent
        self._left_right_tolerance = left_right_tolerance
        self._speckle_size, self._speckle_range = speckle_size, speckle_range
        self._median_side = median_side
        self._fills_holes = fills_holes
        self._workers = RowWorkers(num_threads)
        self.match(_small_frame(max(8, max_disparity + 1)))

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image; unknown everywhere if an image has a single colour.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        left, right = _pair(frame, self._max_disparity)
        if _is_blank(left) or _is_blank(right):
            values = np.full(frame.geometry.shape, np.nan, np.float32)
        else:
            values = self._refined(*self._winners(left, right))
        return DisparityMap(
            torch.from_numpy(values), self._min_disparity, self._max_disparity - 1, _STEP)

    def _winners(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        costs = self._cost.compute(
            left, right, self._min_disparity, self._max_disparity - self._min_disparity)
        grey = np.asarray(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), np.uint8)
        totals = aggregate_costs(costs, grey, self._penalties, self._num_paths, self._workers)
        return take_winners(totals, self._min_disparity, self._uniqueness_percent, self._workers)

    def _refined(
        self, left: NDArray[np.float32], right: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        if self._left_right_tolerance >= 0:
            left = keep_consistent(left, right, self._left_right_tolerance)
        left = keep_inside(median_of_known(left, self._median_side, self._workers))
        left = remove_speckles(left, self._speckle_size, self._speckle_range)
        return fill_from_background(left) if self._fills_holes else left


def _pair(
    frame: StereoFrame, max_disparity: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    if frame.right is None:
        raise StereoError(
            'frame for the semi-global matcher', must_be='one with a right image', got='none',
            do='set stereo.matcher to external or publish the right image',
            reason='no_right_image',
        )
    width = frame.geometry.width
    if width <= max_disparity:
        raise StereoError(
            'image width', must_be=f'> stereo.max_disparity ({max_disparity} px)',
            got=f'{width} px', do='lower stereo.max_disparity', reason='too_narrow',
        )
    return np.ascontiguousarray(frame.left), np.ascontiguousarray(frame.right)


def _require(name: str, value: int, is_met: bool, must_be: str) -> None:
    if not is_met:
        raise StereoError(
            f'stereo.{name}', must_be=must_be, got=value, do='take one in the range',
            reason='options',
        )


def _is_blank(image: NDArray[np.uint8]) -> bool:
    return bool((image == image[0, 0]).all())


def _small_frame(width: int) -> StereoFrame:
    image = np.random.default_rng(0).integers(0, 256, (8, width, 3), np.uint8)
    geometry = CameraGeometry(width, 8, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return StereoFrame(0, '', image, image, geometry)
