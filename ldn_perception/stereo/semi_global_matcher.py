# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Semi-global matching on the CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers, upload
from ldn_perception.stereo.disparity_refinement import (
    fill_from_background,
    keep_consistent,
    keep_inside,
    median_of_known,
    remove_speckles,
)
from ldn_perception.stereo.embeddings import grey_levels
from ldn_perception.stereo.matcher import blank_side, take_pair, unknown_disparity
from ldn_perception.stereo.matching_costs import CostShares, MatchingCost
from ldn_perception.stereo.semi_global_aggregation import (
    PATHS,
    SmoothnessPenalties,
    Winners,
    aggregate_costs,
    take_winners,
)
from ldn_perception.stereo.torch_aggregation import (
    Described,
    aggregate_on_device,
    compare_on_device,
)
from ldn_perception.stereo.torch_refinement import (
    fill_from_background_on_device,
    keep_consistent_on_device,
    keep_inside_on_device,
    median_of_known_on_device,
    remove_speckles_on_device,
    take_winners_on_device,
)
from ldn_perception.types import CameraGeometry, DisparityMap, StereoFrame

STEP_PX = 1 / 16
"""Disparity resolution reported in the map [px]."""


class SemiGlobalMatcher:
    """Semi-global matching on the CPU: costs, aggregation, winners, refinement. Not thread-safe.

    The leftmost columns are matched like all others; only disparities that point outside the
    right image are unknown. Construction compiles the kernels not yet cached. The confidence is
    the margin of the winner, see semi_global_aggregation.py; it is 0 for disparities filled from
    neighbouring pixels.

    Args:
        cost: Matching cost.
        min_disparity: Smallest disparity searched [px].
        max_disparity: End of the search range, exclusive [px].
        num_paths: Number of aggregation paths, 4 or 8.
        penalties: Penalties for changes of disparity.
        uniqueness_percent: Margin of the best match over the second best, in [0, 100] [%].
        left_right_tolerance: Largest difference of the left-right check [px]; -1 disables it.
        speckle_size: Regions up to this size are removed [px].
        speckle_range: Disparity step inside a region [px].
        median_side: Side of the median filter, 1, 3 or 5 [px]; 1 disables it.
        fills_holes: True if remaining unknown pixels are filled from the background.
        num_threads: Threads that share an image; the result does not depend on it.

    Raises:
        StereoError: The disparity range is empty, or an option is not among those listed above.
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
        """Compute the disparity of the left image; all NaN if an image has a single colour.

        Raises:
            StereoError: There is no right image, or the image is narrower than the search range.
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
        """Compute the refined disparity and its confidence."""
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


class DeviceCost(MatchingCost, Protocol):
    """Matching cost that also accepts tensors."""

    def compute_on_device(
        self, left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
    ) -> Tensor:
        """Same as `compute`, (H, W, 3) to (H, W, D) uint8, on the device of the images."""
        ...


class TorchSemiGlobalMatcher(SemiGlobalMatcher):
    """SemiGlobalMatcher on a torch device; same disparities for the same costs.

    Args:
        cost: Matching cost on the device.
        device: Device of all steps.
        options: Options of SemiGlobalMatcher except num_threads.

    Raises:
        StereoError: See SemiGlobalMatcher.
    """

    def __init__(self, cost: DeviceCost, device: torch.device, **options: object) -> None:
        self._device, self._device_cost = device, cost
        self._steps = steps_on(device)
        super().__init__(cost, **options)  # type: ignore[arg-type]  # checked there

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Compute the disparity of the left image, on the device; see SemiGlobalMatcher."""
        left, right = take_pair(frame, self._min_disparity, self._max_disparity)
        problem = blank_side(left, right)
        if problem:
            return unknown_disparity(
                frame.geometry.shape, self._min_disparity, self._max_disparity - 1, STEP_PX,
                problem, self._device, gives_confidence=True)
        with torch.inference_mode():
            values, confidence = self._match(self._uploaded(left), self._uploaded(right))
        return DisparityMap(
            values, self._min_disparity, self._max_disparity - 1, STEP_PX, confidence)

    def _match(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        costs = self._device_cost.compute_on_device(
            left, right, self._min_disparity, self._max_disparity - self._min_disparity)
        totals = self._steps.aggregate(
            costs, grey_levels(left), self._penalties, self._num_paths)
        matched, right_disparity, confidence = self._steps.take_winners(
            totals, self._min_disparity, self._uniqueness_percent)
        if self._left_right_tolerance >= 0:
            matched = keep_consistent_on_device(
                matched, right_disparity, self._left_right_tolerance)
        disparity = self._steps.smooth(matched, self._median_side)
        disparity = remove_speckles_on_device(
            keep_inside_on_device(disparity), self._speckle_size, self._speckle_range)
        is_matched = matched.isfinite() & disparity.isfinite()
        confidence = torch.where(is_matched, confidence, 0.0)
        if self._fills_holes:
            disparity = fill_from_background_on_device(disparity)
        return disparity, confidence

    def _uploaded(self, image: NDArray[np.uint8]) -> Tensor:
        return upload(torch.from_numpy(image), self._device)


class DeviceSteps(NamedTuple):
    """Device implementations of the steps; `take_winners` takes the sums of `aggregate`.

    Attributes:
        compare: (left, right, shares, min_disparity, num_disparities, outside_cost) to costs, see
            `vector_costs`.
        aggregate: (costs, image, penalties, num_paths) to sums, see `aggregate_costs`.
        take_winners: (sums, min_disparity, uniqueness_percent) to disparities of the left and of
            the right image and the confidence, see `take_winners`.
        smooth: (disparities, side_px) to medians, see `median_of_known`.
    """

    compare: Callable[[Described, Described, CostShares, int, int, int], Tensor]
    aggregate: Callable[[Tensor, Tensor, SmoothnessPenalties, int], Tensor]
    take_winners: Callable[[Tensor, int, int], tuple[Tensor, Tensor, Tensor]]
    smooth: Callable[[Tensor, int], Tensor]


def steps_on(device: torch.device) -> DeviceSteps:
    """Select Triton kernels on a CUDA device with Triton installed, else torch functions.

    Both give the same values.
    """
    if device.type != 'cuda' or find_spec('triton') is None:
        return DeviceSteps(
            compare_on_device, aggregate_on_device, take_winners_on_device,
            median_of_known_on_device)
    from ldn_perception.stereo.triton_kernels import (
        aggregate_in_launches,
        compare_in_launch,
        median_in_launch,
        take_winners_in_launches,
    )
    return DeviceSteps(
        compare_in_launch, aggregate_in_launches, take_winners_in_launches, median_in_launch)
