# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Smoothness along straight paths through a cost volume, on any device of torch.

The same sums as `aggregate_costs` of semi_global_aggregation.py, which has the source. All paths
that go through a row, or column, take their step at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ldn_perception.stereo.semi_global_aggregation import PATHS, SmoothnessPenalties

_WALL = 0x3FFF  # beyond the outermost disparities, larger than any cost of a path


def aggregate_on_device(
    costs: Tensor, image: Tensor, penalties: SmoothnessPenalties, num_paths: int,
) -> Tensor:
    """Sum of the cheapest costs to arrive at a pixel with a disparity, over all paths.

    Args:
        costs: (H, W, D) uint8 matching costs.
        image: (H, W) uint8 left image on the same device, grey.
        penalties: P1 and P2.
        num_paths: A key of PATHS.

    Returns:
        (H, W, D) int32.
    """
    totals = torch.zeros(costs.shape, dtype=torch.int32, device=costs.device)
    levels = image.int()
    _follow(costs.transpose(0, 1), levels.T, penalties, (0,), totals.transpose(0, 1))
    downwards = tuple(dx for dx, dy in PATHS[num_paths] if dy > 0)
    _follow(costs, levels, penalties, downwards, totals)
    return totals


def _follow(
    costs: Tensor, levels: Tensor, penalties: SmoothnessPenalties, shifts: tuple[int, ...],
    totals: Tensor,
) -> None:
    """Follow the paths from the first row to the last, and those from the last to the first.

    Args:
        costs: (H, W, D) uint8.
        levels: (H, W) int32 in [0, 255].
        penalties: P1 and P2.
        shifts: Columns that the paths of each direction move by from row to row; those of the
            opposite directions move by the same.
        totals: (H, W, D) int32 to which the costs of all paths are added.
    """
    height, width, num_disparities = costs.shape
    small, large = _steps_penalties(levels, penalties, shifts)         # (H, 2, S, W, 1)
    states = _begun(2, len(shifts), width, num_disparities, costs.device)
    least = torch.zeros(2, len(shifts), width, 1, dtype=torch.int32, device=costs.device)
    for y in range(height):
        opposite = height - 1 - y
        cost = torch.stack([costs[y], costs[opposite]])[:, None].int()   # (2, 1, W, D)
        before, least_before = _shifted(states, shifts, 0), _shifted(least, shifts, 0)
        best = torch.minimum(before[..., :-2], before[..., 2:]) + small[y]
        best = torch.minimum(best, before[..., 1:-1])
        best = torch.minimum(best, least_before + large[y])
        value = cost + best - least_before
        states = torch.nn.functional.pad(value, (1, 1), value=_WALL)
        least = value.amin(-1, keepdim=True)
        summed = value.sum(1, dtype=torch.int32)
        totals[y] += summed[0]
        totals[opposite] += summed[1]


def _begun(
    num_ways: int, num_shifts: int, width: int, num_disparities: int, device: torch.device,
) -> Tensor:
    """Before its first pixel a path has cost nothing, (ways, shifts, W, D + 2) int32."""
    states = torch.full(
        (num_ways, num_shifts, width, num_disparities + 2), _WALL, dtype=torch.int32,
        device=device)
    states[..., 1:-1] = 0
    return states


def _shifted(states: Tensor, shifts: tuple[int, ...], begin: int) -> Tensor:
    """Move what the paths bring along to the column where they go on.

    Paths that come in at a side begin there; a begun path has 0 everywhere, so its walls do not
    matter.

    Args:
        states: (2, S, W, K) of the row before.
        shifts: S columns each.
        begin: What a path has that comes in.
    """
    if shifts == (0,):
        return states
    moved = torch.full_like(states, begin)
    for number, shift in enumerate(shifts):
        if shift > 0:
            moved[:, number, shift:] = states[:, number, :-shift]
        elif shift < 0:
            moved[:, number, :shift] = states[:, number, -shift:]
        else:
            moved[:, number] = states[:, number]
    return moved


def _steps_penalties(
    levels: Tensor, penalties: SmoothnessPenalties, shifts: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """P1 and P2 of every step, each (H, 2, S, W, 1) int32; any where a path begins.

    The second of two belongs to the opposite direction: at index y, to row H - 1 - y.
    """
    contrasts = []
    for flipped in (levels, levels.flip(0)):
        for shift in shifts:
            before = flipped.roll((1, shift), (0, 1))
            contrasts.append((flipped - before).abs())
    contrast = torch.stack(contrasts, 1).unflatten(1, (2, len(shifts)))[..., None]
    is_edge = contrast >= penalties.edge_contrast
    small_at_edge, large_at_edge = penalties.at_edges()
    return (torch.where(is_edge, small_at_edge, penalties.small).int(),
            torch.where(is_edge, large_at_edge, penalties.large).int())
