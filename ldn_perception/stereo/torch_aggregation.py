# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching costs and their aggregation on any torch device.

Costs: Same values as `vector_costs` of matching_costs.py.

Aggregation: Same sums as `aggregate_costs` of semi_global_aggregation.py, which cites the source.
All paths through a row or column advance together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ldn_perception.stereo.embeddings import NUM_SIGNS, SCALE
from ldn_perception.stereo.matching_costs import CostShares
from ldn_perception.stereo.semi_global_aggregation import PATHS, SmoothnessPenalties

_BLOCK_PX = 64
_CHUNK_ROWS = {'cpu': 4, 'cuda': 128}  # fits the caches of a core; needs a few hundred MB


class Described(NamedTuple):
    """Features of the pixels of an image.

    Attributes:
        vectors: (H, W, C) int8, SCALE times unit vectors.
        signs: (H, W, NUM_SIGNS) int8, 1 and -1; None if census codes have no weight.
    """

    vectors: Tensor
    signs: Tensor | None


def compare_on_device(
    left: Described, right: Described, shares: CostShares, min_disparity: int,
    num_disparities: int, outside_cost: int,
) -> Tensor:
    """Compute costs from embeddings and census signs; see `vector_costs`.

    Args:
        left: Features of the left image.
        right: Features of the right image.
        shares: Weights of vectors and signs.
        min_disparity: Disparity of the first cost [px].
        num_disparities: D, >= 1.
        outside_cost: Cost of columns outside the right image, in [0, 255].

    Returns:
        (H, W, D) uint8 on the device of the vectors.
    """
    height, width, _ = left.vectors.shape
    device = left.vectors.device
    costs = torch.empty((height, width, num_disparities), dtype=torch.uint8, device=device)
    chunk = _CHUNK_ROWS.get(device.type, height)
    for first in range(0, height, chunk):
        rows = slice(first, first + chunk)
        products = partial(_products, min_disparity, num_disparities)
        cost = _vector_cost(products(left.vectors[rows], right.vectors[rows]), shares)
        if left.signs is not None and right.signs is not None:
            cost += shares.bit * _distances(products(left.signs[rows], right.signs[rows]))
        costs[rows] = cost
    _mark_outside(costs, min_disparity, outside_cost)
    return costs


def _vector_cost(product: Tensor, shares: CostShares) -> Tensor:
    """Embedding cost from products of SCALE times unit vectors, rounded half up."""
    missing = SCALE**2 - product.clamp(min=0)
    cost: Tensor = (missing / 2**shares.shift + 0.5).floor_().clamp_(0, shares.vector - 1)
    return cost


def _distances(product: Tensor) -> Tensor:
    """Hamming distances from products of signs."""
    return (NUM_SIGNS - product) / 2


def _products(
    min_disparity: int, num_disparities: int, left: Tensor, right: Tensor,
) -> Tensor:
    """Dot products of the pixels of some rows with their candidates in the other image.

    Blocks of a row are multiplied with all candidates of their pixels; the result is a diagonal
    band of each matrix product.

    Args:
        min_disparity: Disparity of the first product [px].
        num_disparities: D, >= 1.
        left: (h, W, C) int8, whose products are exact in float32.
        right: (h, W, C) int8.

    Returns:
        (h, W, D) float32; arbitrary for columns outside the right image.
    """
    left, right = left.float(), right.float()
    height, width, length = left.shape
    # column x - min_disparity - d of the right image is at x + num_disparities - 1 - d
    offset = min_disparity + num_disparities - 1
    padded = -(-(width + num_disparities - 1) // _BLOCK_PX) * _BLOCK_PX
    window = _BLOCK_PX + num_disparities - 1
    lefts = left.new_zeros(height, padded, length)
    lefts[:, :width] = left
    rights = left.new_zeros(height * padded + window, length)
    first, last = max(0, -offset), min(width, padded - offset)
    if first < last:
        rights[:height * padded].view(height, padded, length)[
            :, first + offset:last + offset] = right[:, first:last]
    number = height * padded // _BLOCK_PX
    windows = rights.as_strided((number, length, window), (_BLOCK_PX * length, 1, length))
    product = torch.bmm(lefts.view(number, _BLOCK_PX, length), windows)
    band = product.as_strided(
        (number, _BLOCK_PX, num_disparities), (_BLOCK_PX * window, window + 1, 1))
    return band.flip(-1).view(height, padded, num_disparities)[:, :width]


def _mark_outside(costs: Tensor, min_disparity: int, outside_cost: int) -> None:
    _, width, num_disparities = costs.shape
    for columns in _border(width, min_disparity, num_disparities):
        x = torch.arange(width, device=costs.device)[columns, None]
        column = x - min_disparity - torch.arange(num_disparities, device=costs.device)
        costs[:, columns].masked_fill_((column < 0) | (column >= width), outside_cost)


def _border(width: int, min_disparity: int, num_disparities: int) -> Iterator[slice]:
    """Yield ranges of left columns with candidates outside the right image, at most two."""
    left = min(width, max(0, min_disparity + num_disparities - 1))
    right = min(width, max(0, width + min_disparity))
    if left < right:
        yield slice(0, left)
        yield slice(right, width)
    else:
        yield slice(0, width)


_WALL = 0x3FFF  # beyond the first and last disparity, above all path costs


def aggregate_on_device(
    costs: Tensor, image: Tensor, penalties: SmoothnessPenalties, num_paths: int,
) -> Tensor:
    """Sum path costs over all paths; see `aggregate_costs`.

    Args:
        costs: (H, W, D) uint8 matching costs.
        image: (H, W) uint8 grey left image on the same device.
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
    """Follow the paths from the first row to the last and those from the last to the first.

    Args:
        costs: (H, W, D) uint8.
        levels: (H, W) int32 in [0, 255].
        penalties: P1 and P2.
        shifts: Column shift per row of the paths of each direction; the opposite directions use
            the same shift.
        totals: (H, W, D) int32; path costs are added to it.
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
    """Initialise paths with cost 0, (ways, shifts, W, D + 2) int32."""
    states = torch.full(
        (num_ways, num_shifts, width, num_disparities + 2), _WALL, dtype=torch.int32,
        device=device)
    states[..., 1:-1] = 0
    return states


def _shifted(states: Tensor, shifts: tuple[int, ...], begin: int) -> Tensor:
    """Shift the state of the paths to the columns of the next row.

    Paths that enter at a side start there with `begin` everywhere; walls do not matter for them.

    Args:
        states: (2, S, W, K) of the previous row.
        shifts: Column shift of each of the S directions.
        begin: State of a path that starts.
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
    """P1 and P2 of every step, each (H, 2, S, W, 1) int32; arbitrary where a path starts.

    Index 1 of the second axis is the opposite direction: entry y belongs to row H - 1 - y.
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
