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
from ldn_perception.stereo.pair_checks import blank_side, take_pair, unknown_disparity
from ldn_perception.stereo.semi_global_aggregation import (
    PATHS,
    SmoothnessPenalties,
    aggregate_costs,
)
from ldn_perception.stereo.winner_takes_all import Winners, take_winners

STEP_PX = 1 / 16
"""Smallest difference of disparity that is stated."""


class SemiGlobalMatcher:
    """Costs, aggregation along paths, winners, refinement; for one thread at a time.

    The leftmost columns are matched like all others; only what points outside of the right image
    is unknown. Construction compiles what was not compiled before. The confidence is the margin of
    the winner, see winner_takes_all.py; it is 0 where a disparity comes from pixels around.

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

    gives_confidence = True

    def __init__(
        self, cost: MatchingCost, *, min_disparity: int = 0, max_disparity: int = 128,
        num_paths: int = 4, penalties: SmoothnessPenalties | None = None,
        uniqueness_percent: int = 0, left_right_tolerance: int = 1, speckle_size: int = 100,
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
        self._totals = np.empty((0, 0, 0), np.uint16)
        self.match(_small_frame(max(8, max_disparity + 1, 1 - min_disparity)))

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image; unknown everywhere if an image has a single colour.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search.
        """
        left, right = take_pair(frame, self._min_disparity, self._max_disparity)
        problem = blank_side(left, right)
        if problem:
            return unknown_disparity(
                frame.geometry.shape, self._min_disparity, self._max_disparity - 1, STEP_PX,
                problem, gives_confidence=True)
        values, confidence = self._refined(self._winners(left, right))
        return DisparityMap(
            torch.from_numpy(values), self._min_disparity, self._max_disparity - 1, STEP_PX,
            torch.from_numpy(confidence))

    def _winners(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8],
    ) -> Winners:
        costs = self._cost.compute(
            left, right, self._min_disparity, self._max_disparity - self._min_disparity)
        grey = np.asarray(cv2.cvtColor(left, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._totals.shape != costs.shape:
            self._totals = np.empty(costs.shape, np.uint16)
        aggregate_costs(
            costs, grey, self._penalties, self._num_paths, self._workers, self._totals)
        return take_winners(
            self._totals, self._min_disparity, self._uniqueness_percent, self._workers)

    def _refined(
        self, winners: Winners,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Disparity and confidence."""
        matched = winners.left
        if self._left_right_tolerance >= 0:
            matched = keep_consistent(matched, winners.right, self._left_right_tolerance)
        smooth = keep_inside(median_of_known(matched, self._median_side, self._workers))
        smooth = remove_speckles(smooth, self._speckle_size, self._speckle_range)
        is_matched = np.isfinite(matched) & np.isfinite(smooth)
        confidence = np.where(is_matched, winners.confidence, np.float32(0))
        return fill_from_background(smooth) if self._fills_holes else smooth, confidence


def _require(name: str, value: int, is_met: bool, must_be: str) -> None:
    if not is_met:
        raise StereoError(
            f'stereo.{name}', must_be=must_be, got=value, do='take one in the range',
            reason='options',
        )


def _small_frame(width: int) -> StereoFrame:
    image = np.random.default_rng(0).integers(0, 256, (8, width, 3), np.uint8)
    geometry = CameraGeometry(width, 8, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return StereoFrame(0, '', image, image, geometry)
