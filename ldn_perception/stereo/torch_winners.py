# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The cheapest disparities of both images, on any device of torch.

The same numbers as `take_winners` of winner_takes_all.py, which has the source.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

_UNREACHED = 0x7FFFFFFF  # larger than any sum


def take_winners_on_device(
    totals: Tensor, min_disparity: int, uniqueness_percent: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cheapest disparities of both images; see `take_winners`.

    Args:
        totals: (H, W, D) int32 sums, contiguous.
        min_disparity: Disparity of the first one [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].

    Returns:
        (H, W) float32 of the left and of the right image, whole numbers in the right one [px];
        NaN where unknown; and the confidence of the left one, in [0, 1].
    """
    width = totals.shape[1]
    winner = totals.argmin(-1, keepdim=True)                       # the first of equals
    column = torch.arange(width, device=totals.device) - min_disparity - winner[..., 0]
    known = (column >= 0) & (column < width)
    least, rival = totals.gather(-1, winner)[..., 0], _rivals(totals, winner)
    known &= rival.long() * (100 - uniqueness_percent) >= least.long() * 100
    disparity = min_disparity + winner[..., 0] + _parabola_minimum(totals, winner)
    left = torch.where(known, disparity, torch.nan)
    return left, _right_winners(totals, min_disparity), _margins(least, rival)


def _right_winners(totals: Tensor, min_disparity: int) -> Tensor:
    """Follow the sums of a column of the right image: a step to the right for each disparity."""
    height, width, num_disparities = totals.shape
    before = max(0, -min_disparity)
    after = max(0, min_disparity + num_disparities - 1)
    padded = F.pad(totals, (0, 0, before, after), value=_UNREACHED)
    row = padded.shape[1] * num_disparities
    seen = padded.as_strided(
        (height, width, num_disparities), (row, num_disparities, num_disparities + 1),
        (before + min_disparity) * num_disparities)
    winner = seen.argmin(-1, keepdim=True)
    is_reached = seen.gather(-1, winner)[..., 0] < _UNREACHED
    return torch.where(is_reached, (min_disparity + winner[..., 0]).float(), torch.nan)


def _rivals(totals: Tensor, winner: Tensor) -> Tensor:
    """Least sums save those of the winner and beside it, (H, W) int32."""
    candidates = torch.arange(totals.shape[-1], device=totals.device)
    return totals.masked_fill((candidates - winner).abs() <= 1, _UNREACHED).amin(-1)


def _margins(least: Tensor, rival: Tensor) -> Tensor:
    """Part by which the winner costs less than its rival; 1 without one, 0 if both are free."""
    margin = 1 - least.float() / rival.clamp(min=1).float()
    return torch.where(rival > 0, torch.where(rival < _UNREACHED, margin, 1.0), 0.0)


def _parabola_minimum(totals: Tensor, winner: Tensor) -> Tensor:
    """Where the parabola through a sum and its neighbours is least, (H, W) in [-1/2, 1/2]."""
    last = totals.shape[-1] - 1
    below, middle, above = (
        totals.gather(-1, (winner + step).clamp(0, last))[..., 0].float()
        for step in (-1, 0, 1))
    curvature = below - 2 * middle + above
    place = winner[..., 0]
    is_inner = (place > 0) & (place < last) & (curvature > 0)
    return torch.where(is_inner, (below - above) / (2 * curvature), 0.0)
