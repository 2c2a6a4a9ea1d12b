# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="assignment,misc"
"""Smoothness along straight paths through a cost volume, in one launch for each direction.

The same sums as `aggregate_costs` of semi_global_aggregation.py, which has the source. A program
is one warp and follows one path. Its lanes hold neighbouring disparities, in parts of 32, and ask
each other for what is beside them; nothing of a path but the sums goes through memory.
"""

from __future__ import annotations

import torch
from torch import Tensor
import triton
import triton.language as tl

from ldn_perception.stereo.semi_global_aggregation import PATHS, SmoothnessPenalties

_LANES = 32
_ABREAST = 4  # pixels of a path that are loaded together, as a load takes longer than a step
_NUMBERS = [
    'height', 'width', 'dx', 'dy', 'small', 'large', 'small_at_edge', 'large_at_edge',
    'edge_contrast']  # one kernel for all of their values, compiled once


def aggregate_in_launches(
    costs: Tensor, image: Tensor, penalties: SmoothnessPenalties, num_paths: int,
) -> Tensor:
    """Sum of the cheapest costs to arrive at a pixel with a disparity, over all paths.

    Launches follow each other, so no two add to a sum at the same time.

    Args:
        costs: (H, W, D) uint8 matching costs.
        image: (H, W) uint8 left image on the same device, grey.
        penalties: P1 and P2.
        num_paths: A key of PATHS.

    Returns:
        (H, W, D) uint16.
    """
    height, width, num_disparities = costs.shape
    costs, image = costs.contiguous(), image.contiguous()
    # not every torch fills uint16 on every device
    totals = torch.zeros(costs.shape, dtype=torch.int16, device=costs.device).view(torch.uint16)
    for dx, dy in ((1, 0), (-1, 0), *PATHS[num_paths]):
        num_starts = width + abs(dx) * (height - 1) if dy else height
        _follow_paths[(num_starts,)](
            costs, image, totals, height, width, dx, dy, penalties.small, penalties.large,
            *penalties.at_edges(), penalties.edge_contrast, NUM_DISPARITIES=num_disparities,
            LANES=_LANES, ABREAST=_ABREAST, num_warps=1)
    return totals


@triton.jit(do_not_specialize=_NUMBERS)
def _follow_paths(  # type: ignore[no-untyped-def]
    costs, levels, totals, height, width, dx, dy, small, large, small_at_edge, large_at_edge,
    edge_contrast, NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr, ABREAST: tl.constexpr,
):
    """Add what the path of a program costs to the sums.

    Tuples have an element for each part, or for each pixel loaded together and each part.
    """
    WALL: tl.constexpr = 0x3FFF  # beyond the outermost disparities, above all costs of a path
    NUM_PARTS: tl.constexpr = (NUM_DISPARITIES + LANES - 1) // LANES
    lane = tl.arange(0, LANES)
    pixel, length = _path(tl.program_id(0), height, width, dx, dy)
    step = dy * width + dx
    # before its first pixel a path has cost nothing: the first step leaves the matching cost
    least = 0
    states = ()
    for part in tl.static_range(NUM_PARTS):
        states += (tl.where(lane < NUM_DISPARITIES - part * LANES, 0, WALL),)
    level_before = tl.load(levels + pixel).to(tl.int32)
    for begin in range(0, length, ABREAST):
        level, known, place, cost, total = (), (), (), (), ()
        for i in tl.static_range(ABREAST):
            is_on_path = begin + i < length
            level += (tl.load(levels + pixel, is_on_path, 0).to(tl.int32),)
            first = pixel * NUM_DISPARITIES + lane
            for part in tl.static_range(NUM_PARTS):
                is_known = is_on_path & (lane < NUM_DISPARITIES - part * LANES)
                known += (is_known,)
                place += (first + part * LANES,)
                cost += (tl.load(costs + place[-1], is_known, 0).to(tl.int32),)
                total += (tl.load(totals + place[-1], is_known, 0).to(tl.int32),)
            pixel += step
        for i in tl.static_range(ABREAST):
            is_edge = tl.abs(level[i] - level_before) >= edge_contrast
            level_before = level[i]
            near = tl.where(is_edge, small_at_edge, small)
            far = least + tl.where(is_edge, large_at_edge, large)
            below, above, values = (), (), ()
            for part in tl.static_range(NUM_PARTS):
                below += (tl.gather(states[part], (lane - 1) & (LANES - 1), 0),)
                above += (tl.gather(states[part], (lane + 1) & (LANES - 1), 0),)
            lowest = tl.full((LANES,), WALL, tl.int32)
            for part in tl.static_range(NUM_PARTS):
                beneath = tl.where(lane > 0, below[part], below[part - 1] if part else WALL)
                atop = tl.where(lane < LANES - 1, above[part],
                                above[part + 1] if part + 1 < NUM_PARTS else WALL)
                best = tl.minimum(tl.minimum(beneath, atop) + near, states[part])
                value = cost[i * NUM_PARTS + part] + (tl.minimum(best, far) - least)
                if (part + 1) * LANES > NUM_DISPARITIES:
                    value = tl.where(lane < NUM_DISPARITIES - part * LANES, value, WALL)
                lowest = tl.minimum(lowest, value)
                values += (value,)
                total_here = total[i * NUM_PARTS + part] + value
                tl.store(totals + place[i * NUM_PARTS + part], total_here.to(tl.uint16),
                         known[i * NUM_PARTS + part])
            states = values
            least = tl.min(lowest, 0)


@triton.jit
def _path(number, height, width, dx, dy):  # type: ignore[no-untyped-def]
    """Number of the first pixel of a path, and how many pixels it has.

    Paths that do not stay in a row are numbered by the column, maybe outside, where they meet
    the row that their direction begins with.
    """
    x, y, length = tl.where(dx > 0, 0, width - 1), number, width
    if dy != 0:
        column = number - tl.where(dx > 0, height - 1, 0)
        begin = tl.where(dx > 0, tl.maximum(0, -column), 0)
        begin = tl.where(dx < 0, tl.maximum(0, column - width + 1), begin)
        end = tl.where(dx > 0, tl.minimum(height, width - column), height)
        end = tl.where(dx < 0, tl.minimum(height, column + 1), end)
        x, length = column + dx * begin, end - begin
        y = tl.where(dy > 0, begin, height - 1 - begin)
    return tl.cast(y, tl.int64) * width + x, length
