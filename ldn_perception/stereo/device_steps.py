# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which code takes the costly steps of semi-global matching on a device."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties
from ldn_perception.stereo.torch_aggregation import aggregate_on_device
from ldn_perception.stereo.torch_costs import Described, compare_on_device
from ldn_perception.stereo.torch_refinement import median_of_known_on_device
from ldn_perception.stereo.torch_winners import take_winners_on_device
from ldn_perception.stereo.vector_costs import CostShares


class DeviceSteps(NamedTuple):
    """Functions that work on a device; `take_winners` takes the sums of `aggregate`.

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
    """Kernels of Triton on a GPU where it is installed, as it is with torch for CUDA; else torch.

    Both find the same numbers.
    """
    if device.type != 'cuda' or find_spec('triton') is None:
        return DeviceSteps(
            compare_on_device, aggregate_on_device, take_winners_on_device,
            median_of_known_on_device)
    from ldn_perception.stereo.triton_aggregation import aggregate_in_launches
    from ldn_perception.stereo.triton_costs import compare_in_launch
    from ldn_perception.stereo.triton_median import median_in_launch
    from ldn_perception.stereo.triton_winners import take_winners_in_launches
    return DeviceSteps(
        compare_in_launch, aggregate_in_launches, take_winners_in_launches, median_in_launch)
