# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Semi-global matching on a GPU: nothing between the images and the disparity leaves it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.frames import DisparityMap, StereoFrame
from ldn_perception.host_transfers import upload
from ldn_perception.stereo.census_signs import grey_levels
from ldn_perception.stereo.device_steps import steps_on
from ldn_perception.stereo.matching_cost import MatchingCost
from ldn_perception.stereo.pair_checks import blank_side, take_pair, unknown_disparity
from ldn_perception.stereo.semi_global_matcher import STEP_PX, SemiGlobalMatcher
from ldn_perception.stereo.torch_refinement import (
    fill_from_background_on_device,
    keep_consistent_on_device,
    keep_inside_on_device,
    remove_speckles_on_device,
)


class DeviceCost(MatchingCost, Protocol):
    """A matching cost that also works on tensors."""

    def compute_on_device(
        self, left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
    ) -> Tensor:
        """As `compute`, of (H, W, 3) to (H, W, D) uint8, all on the device of the images."""
        ...


class TorchSemiGlobalMatcher(SemiGlobalMatcher):
    """SemiGlobalMatcher on a device of torch, with the same disparities from the same costs.

    Args:
        cost: What matching pixels costs, on the device.
        device: Where everything runs.
        options: Those of SemiGlobalMatcher but num_threads.

    Raises:
        StereoError: See SemiGlobalMatcher.
    """

    def __init__(self, cost: DeviceCost, device: torch.device, **options: object) -> None:
        self._device, self._device_cost = device, cost
        self._steps = steps_on(device)
        super().__init__(cost, **options)  # type: ignore[arg-type]  # checked there

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image, on the device; see SemiGlobalMatcher."""
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
