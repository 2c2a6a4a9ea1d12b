# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Winning disparities and their refinement on any torch device.

Winners: Same values as `take_winners` of semi_global_aggregation.py, which cites the source.

Refinement: Same functions as disparity_refinement.py; all maps are (H, W) float32 [px], NaN where
unknown.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

_UNREACHED = 0x7FFFFFFF  # larger than any sum


def take_winners_on_device(
    totals: Tensor, min_disparity: int, uniqueness_percent: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Select the cheapest disparities of both images; see `take_winners`.

    Args:
        totals: (H, W, D) int32 sums, contiguous.
        min_disparity: Disparity of the first sum [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].

    Returns:
        (H, W) float32 disparities of the left and right image [px], NaN where unknown, whole
        numbers in the right one; (H, W) float32 confidence of the left one, in [0, 1].
    """
    width = totals.shape[1]
    winner = totals.argmin(-1, keepdim=True)                       # the first one in a tie
    column = torch.arange(width, device=totals.device) - min_disparity - winner[..., 0]
    known = (column >= 0) & (column < width)
    least, rival = totals.gather(-1, winner)[..., 0], _rivals(totals, winner)
    known &= rival.long() * (100 - uniqueness_percent) >= least.long() * 100
    disparity = min_disparity + winner[..., 0] + _parabola_minimum(totals, winner)
    left = torch.where(known, disparity, torch.nan)
    return left, _right_winners(totals, min_disparity), _margins(least, rival)


def _right_winners(totals: Tensor, min_disparity: int) -> Tensor:
    """Winners of the right image: its columns see the sums one column to the right per step."""
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
    """Least sums that are not the winner or adjacent to it, (H, W) int32."""
    candidates = torch.arange(totals.shape[-1], device=totals.device)
    return totals.masked_fill((candidates - winner).abs() <= 1, _UNREACHED).amin(-1)


def _margins(least: Tensor, rival: Tensor) -> Tensor:
    """Relative margin of the winner to its rival; 1 without a rival, 0 if both cost 0."""
    margin = 1 - least.float() / rival.clamp(min=1).float()
    return torch.where(rival > 0, torch.where(rival < _UNREACHED, margin, 1.0), 0.0)


def _parabola_minimum(totals: Tensor, winner: Tensor) -> Tensor:
    """Minimum of the parabola through a sum and its neighbours, (H, W) in [-1/2, 1/2]."""
    last = totals.shape[-1] - 1
    below, middle, above = (
        totals.gather(-1, (winner + step).clamp(0, last))[..., 0].float()
        for step in (-1, 0, 1))
    curvature = below - 2 * middle + above
    place = winner[..., 0]
    is_inner = (place > 0) & (place < last) & (curvature > 0)
    return torch.where(is_inner, (below - above) / (2 * curvature), 0.0)


_SUBPIXEL = 16
_ROUNDS_A_QUESTION = 4


def keep_consistent_on_device(left: Tensor, right: Tensor, tolerance_px: float) -> Tensor:
    """Keep disparities that are consistent with the right image; see `keep_consistent`."""
    column = _columns(left) - left.nan_to_num()
    agrees = _differs_at_most(left, right, column.floor(), tolerance_px)
    agrees |= _differs_at_most(left, right, column.ceil(), tolerance_px)
    return torch.where(agrees, left, torch.nan)


def keep_inside_on_device(disparity: Tensor) -> Tensor:
    """Keep disparities of the left image that point into the right one, else NaN."""
    column = _columns(disparity) - disparity
    return torch.where(
        (column >= 0) & (column <= disparity.shape[1] - 1), disparity, torch.nan)


def median_of_known_on_device(disparity: Tensor, side_px: int) -> Tensor:
    """Median of the known values in a square window; see `median_of_known`.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        side_px: Side of the window, odd [px].
    """
    if side_px == 1:
        return disparity
    padded = F.pad(disparity[None, None], (side_px // 2,) * 4, mode='replicate')[0, 0]
    windows = padded.unfold(0, side_px, 1).unfold(1, side_px, 1).flatten(2)
    ordered = windows.sort(-1).values                                  # NaN comes last
    number = windows.isfinite().sum(-1)
    median = ordered.gather(-1, ((number - 1) // 2).clamp(min=0)[..., None])[..., 0]
    is_known = disparity.isfinite() | (2 * number > side_px * side_px)
    return torch.where(is_known, median, torch.nan)


def remove_speckles_on_device(disparity: Tensor, size_px: int, step_px: float) -> Tensor:
    """Remove small regions of disparity; see `remove_speckles`.

    Regions spread their least pixel number until nothing changes. The host checks for changes only
    once in several rounds, since it waits for the answer. No map leaves the device.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        size_px: Largest area of a removed region [px]; 0 keeps all.
        step_px: Largest difference between 4-neighbours of one region [px].
    """
    if size_px == 0:
        return disparity
    region = _regions(disparity, round(step_px * _SUBPIXEL))
    sizes = torch.zeros(region.numel(), dtype=torch.int64, device=region.device)
    sizes.scatter_add_(0, region.flatten(), torch.ones_like(region).flatten())
    return torch.where(sizes[region] > size_px, disparity, torch.nan)


def fill_from_background_on_device(disparity: Tensor) -> Tensor:
    """Fill unknown pixels from their row or the nearest one; see `fill_from_background`."""
    filled = torch.fmin(_carry_right(disparity), _carry_right(disparity.flip(1)).flip(1))
    height = len(filled)
    row = torch.arange(height, device=filled.device)
    has_any = filled[:, 0].isfinite()
    above = torch.where(has_any, row, -2 * height).cummax(0).values
    below = torch.where(has_any, row, 3 * height).flip(0).cummin(0).values.flip(0)
    nearest = torch.where(row - above <= below - row, above, below).clamp(0, height - 1)
    return filled[nearest]


def _columns(disparity: Tensor) -> Tensor:
    return torch.arange(disparity.shape[1], dtype=torch.float32, device=disparity.device)


def _differs_at_most(
    left: Tensor, right: Tensor, column: Tensor, tolerance_px: float,
) -> Tensor:
    """True where left and right disparities differ at most by the tolerance; NaN is False."""
    last = left.shape[1] - 1
    counterpart = right.gather(1, column.clamp(0, last).long())
    is_close = (left - counterpart).abs() <= tolerance_px
    return (column >= 0) & (column <= last) & is_close


def _carry_right(disparity: Tensor) -> Tensor:
    """Propagate the last known disparity of each row to the right; NaN before the first."""
    column = torch.arange(disparity.shape[1], device=disparity.device).expand_as(disparity)
    known = torch.where(disparity.isfinite(), column, 0)
    return disparity.gather(1, known.cummax(1).values)


def _regions(disparity: Tensor, step: int) -> Tensor:
    """Label regions by the index of their first pixel, (H, W) int64; unknown pixels are single."""
    known = disparity.isfinite()
    steps = (disparity.nan_to_num() * _SUBPIXEL).round().int()
    joins = [
        known[:, 1:] & known[:, :-1] & ((steps[:, 1:] - steps[:, :-1]).abs() <= step),
        known[1:] & known[:-1] & ((steps[1:] - steps[:-1]).abs() <= step)]
    region = torch.arange(disparity.numel(), device=disparity.device).view(disparity.shape)
    while True:
        for _ in range(_ROUNDS_A_QUESTION):
            before, region = region, _spread(region, *joins)
        if torch.equal(before, region):
            return region


def _spread(region: Tensor, joins_left: Tensor, joins_up: Tensor) -> Tensor:
    """Propagate the least labels of neighbouring regions by one round."""
    least = _least_around(region, joins_left, joins_up).flatten()
    # The pixel that labels a region gets the least label found; all its pixels then follow it.
    number = region.flatten().scatter_reduce(0, region.flatten(), least, 'amin')
    number = number[number]
    return number[number].view_as(region)


def _least_around(region: Tensor, joins_left: Tensor, joins_up: Tensor) -> Tensor:
    """Least label of a pixel and the neighbours it is joined to."""
    least = region.clone()
    for axis, joins in ((1, joins_left), (0, joins_up)):
        size = region.shape[axis] - 1
        first, second = region.narrow(axis, 0, size), region.narrow(axis, 1, size)
        lesser = torch.minimum(first, second)
        for begin, own in ((0, first), (1, second)):
            part = least.narrow(axis, begin, size)
            part.copy_(torch.minimum(part, torch.where(joins, lesser, own)))
    return least
