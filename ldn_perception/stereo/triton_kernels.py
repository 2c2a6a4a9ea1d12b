# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="assignment,misc"
"""Triton kernels of semi-global matching.

Costs: Same values as `vector_costs` of matching_costs.py. A program multiplies a tile of
neighbouring pixels with a range of columns of the right image. In the product, the disparity
grows by one per column and per pixel.

Aggregation: Same sums as `aggregate_costs` of semi_global_aggregation.py, which cites the source.
A program is one warp and follows one path. Its lanes hold neighbouring disparities, in parts of
32, and exchange them with lane gathers; only the sums go through memory.

Winners: Same values as `take_winners` of semi_global_aggregation.py, which cites the source.

Median: Same values as `median_of_known` of disparity_refinement.py. A lane inserts the neighbours
of its pixel into a sorted list and keeps the lower half.
"""

from __future__ import annotations

import torch
from torch import Tensor
import triton
import triton.language as tl

from ldn_perception.stereo.embeddings import NUM_SIGNS, SCALE
from ldn_perception.stereo.matching_costs import CostShares
from ldn_perception.stereo.semi_global_aggregation import PATHS, SmoothnessPenalties
from ldn_perception.stereo.torch_aggregation import Described

_TILE_PIXELS, _TILE_COLUMNS = 64, 64  # per program
_SHORTEST = 32  # minimum length of int8 dot products
_COST_NUMBERS = [
    'width', 'min_disparity', 'num_disparities', 'outside_cost', 'vector_cost', 'shift',
    'bit_cost']  # not specialised: one kernel for all values


def compare_in_launch(
    left: Described, right: Described, shares: CostShares, min_disparity: int,
    num_disparities: int, outside_cost: int,
) -> Tensor:
    """Compute costs from embeddings and census signs; see `vector_costs`.

    Args:
        left: Features of the left image, contiguous.
        right: Features of the right image, contiguous.
        shares: Weights of vectors and signs.
        min_disparity: Disparity of the first cost [px].
        num_disparities: D, >= 1.
        outside_cost: Cost of columns outside the right image, in [0, 255].

    Returns:
        (H, W, D) uint8 on the device of the vectors.
    """
    height, width, length = left.vectors.shape
    costs = torch.empty(
        (height, width, num_disparities), dtype=torch.uint8, device=left.vectors.device)
    runs = triton.cdiv(_TILE_PIXELS - 1 + num_disparities, _TILE_COLUMNS)
    _compare_tile[(runs, triton.cdiv(width, _TILE_PIXELS), height)](
        left.vectors, right.vectors, left.signs, right.signs, costs, width, min_disparity,
        num_disparities, outside_cost, shares.vector, shares.shift, shares.bit,
        LENGTH=length, LANES=max(_SHORTEST, triton.next_power_of_2(length)),
        NUM_SIGNS=NUM_SIGNS, SIGN_LANES=triton.next_power_of_2(NUM_SIGNS), SCALE=SCALE,
        NUM_PIXELS=_TILE_PIXELS, NUM_COLUMNS=_TILE_COLUMNS)
    return costs


@triton.jit(do_not_specialize=_COST_NUMBERS)
def _compare_tile(  # type: ignore[no-untyped-def]
    left, right, left_signs, right_signs, costs, width, min_disparity, num_disparities,
    outside_cost, vector_cost, shift, bit_cost, LENGTH: tl.constexpr, LANES: tl.constexpr,
    NUM_SIGNS: tl.constexpr, SIGN_LANES: tl.constexpr, SCALE: tl.constexpr,
    NUM_PIXELS: tl.constexpr, NUM_COLUMNS: tl.constexpr,
):
    place = tl.arange(0, NUM_PIXELS)
    x = tl.program_id(1) * NUM_PIXELS + place
    # Disparity of the first pixel; pixel i has i more.
    disparity = tl.program_id(0) * NUM_COLUMNS - (NUM_PIXELS - 1) + tl.arange(0, NUM_COLUMNS)
    column = tl.program_id(1) * NUM_PIXELS - min_disparity - disparity
    row = tl.program_id(2).to(tl.int64) * width
    is_column = (column >= 0) & (column < width)

    product = _products(left, right, row, x, column, width, LENGTH, LANES)
    missing = SCALE * SCALE - tl.maximum(product, 0)
    cost = (missing + (1 << (shift - 1))) >> shift
    cost = tl.minimum(tl.maximum(cost, 0), vector_cost - 1)
    if left_signs is not None:
        agreement = _products(
            left_signs, right_signs, row, x, column, width, NUM_SIGNS, SIGN_LANES)
        cost += bit_cost * ((NUM_SIGNS - agreement) >> 1)
    cost = tl.where(is_column[None], cost, outside_cost)

    candidate = disparity[None] + place[:, None]
    is_wanted = (x < width)[:, None] & (candidate >= 0) & (candidate < num_disparities)
    address = (row + x)[:, None] * num_disparities + candidate
    tl.store(costs + address, cost.to(tl.uint8), is_wanted)


@triton.jit
def _products(  # type: ignore[no-untyped-def]
    left, right, row, x, column, width, LENGTH: tl.constexpr, LANES: tl.constexpr,
):
    """Products of pixels of a row with columns of the right image, 0 outside it."""
    lane = tl.arange(0, LANES)
    is_element = lane < LENGTH
    vectors = tl.load(
        left + (row + x)[:, None] * LENGTH + lane[None],
        (x < width)[:, None] & is_element[None], 0)
    is_column = (column >= 0) & (column < width)
    others = tl.load(
        right + (row + column)[None] * LENGTH + lane[:, None],
        is_column[None] & is_element[:, None], 0)
    return tl.dot(vectors, others, out_dtype=tl.int32)


_LANES = 32
_ABREAST = 4  # pixels of a path loaded together, since a load takes longer than a step
_PATH_NUMBERS = [
    'height', 'width', 'dx', 'dy', 'small', 'large', 'small_at_edge', 'large_at_edge',
    'edge_contrast']  # not specialised: one kernel for all values


def aggregate_in_launches(
    costs: Tensor, image: Tensor, penalties: SmoothnessPenalties, num_paths: int,
) -> Tensor:
    """Sum path costs over all paths; see `aggregate_costs`.

    Launches run one after another, so no two write to a sum at the same time.

    Args:
        costs: (H, W, D) uint8 matching costs.
        image: (H, W) uint8 grey left image on the same device.
        penalties: P1 and P2.
        num_paths: A key of PATHS.

    Returns:
        (H, W, D) uint16.
    """
    height, width, num_disparities = costs.shape
    costs, image = costs.contiguous(), image.contiguous()
    # Not every torch version fills uint16 on every device.
    totals = torch.zeros(costs.shape, dtype=torch.int16, device=costs.device).view(torch.uint16)
    for dx, dy in ((1, 0), (-1, 0), *PATHS[num_paths]):
        num_starts = width + abs(dx) * (height - 1) if dy else height
        _follow_paths[(num_starts,)](
            costs, image, totals, height, width, dx, dy, penalties.small, penalties.large,
            *penalties.at_edges(), penalties.edge_contrast, NUM_DISPARITIES=num_disparities,
            LANES=_LANES, ABREAST=_ABREAST, num_warps=1)
    return totals


@triton.jit(do_not_specialize=_PATH_NUMBERS)
def _follow_paths(  # type: ignore[no-untyped-def]
    costs, levels, totals, height, width, dx, dy, small, large, small_at_edge, large_at_edge,
    edge_contrast, NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr, ABREAST: tl.constexpr,
):
    """Add the costs along the path of a program to the sums.

    Tuples have one element per part, or per pixel loaded together and part.
    """
    WALL: tl.constexpr = 0x3FFF  # beyond the first and last disparity, above all path costs
    NUM_PARTS: tl.constexpr = (NUM_DISPARITIES + LANES - 1) // LANES
    lane = tl.arange(0, LANES)
    pixel, length = _path(tl.program_id(0), height, width, dx, dy)
    step = dy * width + dx
    # Path costs start at 0: the first step yields the matching cost.
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
    """Index of the first pixel of a path, and its number of pixels.

    Paths that leave their row are numbered by the column, possibly outside the image, at which
    they cross the first row of their direction.
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


_LEFT_PIXELS, _RIGHT_PIXELS = 8, 16  # per program; right pixels share the sums they read
_WINNER_NUMBERS = ['width', 'min_disparity', 'uniqueness_percent']  # one kernel for all values


def take_winners_in_launches(
    totals: Tensor, min_disparity: int, uniqueness_percent: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Select the cheapest disparities of both images; see `take_winners`.

    Args:
        totals: (H, W, D) uint16 sums, contiguous.
        min_disparity: Disparity of the first sum [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].

    Returns:
        (H, W) float32 disparities of the left and right image [px], NaN where unknown, whole
        numbers in the right one; (H, W) float32 confidence of the left one, in [0, 1].
    """
    height, width, num_disparities = totals.shape
    left, right, confidence = (
        torch.empty((height, width), dtype=torch.float32, device=totals.device)
        for _ in range(3))
    lanes = triton.next_power_of_2(num_disparities)
    _take_left[(triton.cdiv(width, _LEFT_PIXELS), height)](
        totals, left, confidence, width, min_disparity, uniqueness_percent,
        NUM_DISPARITIES=num_disparities, LANES=lanes, NUM_PIXELS=_LEFT_PIXELS)
    _take_right[(triton.cdiv(width, _RIGHT_PIXELS), height)](
        totals, right, width, min_disparity,
        NUM_DISPARITIES=num_disparities, LANES=lanes, NUM_PIXELS=_RIGHT_PIXELS)
    return left, right, confidence


@triton.jit(do_not_specialize=_WINNER_NUMBERS)
def _take_left(  # type: ignore[no-untyped-def]
    totals, left, confidence, width, min_disparity, uniqueness_percent,
    NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr, NUM_PIXELS: tl.constexpr,
):
    """Select winners of some pixels of a left image row, with subpixel parabola and margin."""
    UNREACHED: tl.constexpr = 0x7FFFFFFF  # larger than any sum
    x = tl.program_id(0) * NUM_PIXELS + tl.arange(0, NUM_PIXELS)
    pixel = tl.program_id(1).to(tl.int64) * width + x
    candidate = tl.arange(0, LANES)[None]
    is_sum = (x < width)[:, None] & (candidate < NUM_DISPARITIES)
    address = pixel[:, None] * NUM_DISPARITIES + candidate
    total = tl.where(is_sum, tl.load(totals + address, is_sum, 0).to(tl.int32), UNREACHED)
    least = tl.min(total, 1)
    winner = tl.min(tl.where(total == least[:, None], candidate, LANES), 1)
    offset = candidate - winner[:, None]
    rival = tl.min(tl.where(tl.abs(offset) <= 1, UNREACHED, total), 1)
    below = tl.sum(tl.where(offset == -1, total, 0), 1)
    above = tl.sum(tl.where(offset == 1, total, 0), 1)
    curvature = below - 2 * least + above
    is_inner = (winner > 0) & (winner < NUM_DISPARITIES - 1) & (curvature > 0)
    lean = tl.where(is_inner, below - above, 0).to(tl.float32)
    minimum = tl.div_rn(lean, tl.where(is_inner, 2 * curvature, 1).to(tl.float32))
    column = x - min_disparity - winner
    is_unique = rival.to(tl.int64) * (100 - uniqueness_percent) >= least.to(tl.int64) * 100
    is_known = (column >= 0) & (column < width) & is_unique
    disparity = (min_disparity + winner).to(tl.float32) + minimum
    tl.store(left + pixel, tl.where(is_known, disparity, float('nan')), x < width)
    margin = 1 - tl.div_rn(least.to(tl.float32), tl.maximum(rival, 1).to(tl.float32))
    margin = tl.where(rival > 0, tl.where(rival < UNREACHED, margin, 1.0), 0.0)
    tl.store(confidence + pixel, margin, x < width)


@triton.jit(do_not_specialize=_WINNER_NUMBERS[:2])
def _take_right(  # type: ignore[no-untyped-def]
    totals, right, width, min_disparity, NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr,
    NUM_PIXELS: tl.constexpr,
):
    """Select winners of some pixels of a right image row: x grows with the disparity."""
    UNREACHED: tl.constexpr = 0x7FFFFFFF  # larger than any sum
    column = tl.program_id(0) * NUM_PIXELS + tl.arange(0, NUM_PIXELS)
    row = tl.program_id(1).to(tl.int64) * width
    candidate = tl.arange(0, LANES)[None]
    x = column[:, None] + min_disparity + candidate
    is_sum = (column < width)[:, None] & (candidate < NUM_DISPARITIES) & (x >= 0) & (x < width)
    address = (row + x) * NUM_DISPARITIES + candidate
    total = tl.where(is_sum, tl.load(totals + address, is_sum, 0).to(tl.int32), UNREACHED)
    least = tl.min(total, 1)
    winner = tl.min(tl.where(total == least[:, None], candidate, LANES), 1)
    disparity = (min_disparity + winner).to(tl.float32)
    tl.store(right + row + column, tl.where(least < UNREACHED, disparity, float('nan')),
             column < width)


_MEDIAN_PIXELS = 128  # per program, consecutive in a row


def median_in_launch(disparity: Tensor, side_px: int) -> Tensor:
    """Median of the known values in a square window; see `median_of_known`.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        side_px: Side of the window, odd [px].

    Returns:
        (H, W) float32 [px].
    """
    if side_px == 1:
        return disparity
    disparity = disparity.contiguous()
    medians = torch.empty_like(disparity)
    height, width = disparity.shape
    _take_medians[(triton.cdiv(width, _MEDIAN_PIXELS), height)](
        disparity, medians, height, width, SIDE=side_px, NUM_PIXELS=_MEDIAN_PIXELS)
    return medians


@triton.jit(do_not_specialize=['height', 'width'])
def _take_medians(  # type: ignore[no-untyped-def]
    disparity, medians, height, width, SIDE: tl.constexpr, NUM_PIXELS: tl.constexpr,
):
    HALF: tl.constexpr = (SIDE * SIDE + 1) // 2
    x = tl.program_id(0) * NUM_PIXELS + tl.arange(0, NUM_PIXELS)
    y = tl.program_id(1)
    number = tl.full((NUM_PIXELS,), 0, tl.int32)
    ordered = ()
    for i in tl.static_range(SIDE * SIDE):
        row = tl.minimum(tl.maximum(y + i // SIDE - SIDE // 2, 0), height - 1)
        column = tl.minimum(tl.maximum(x + i % SIDE - SIDE // 2, 0), width - 1)
        value = tl.load(disparity + row.to(tl.int64) * width + column)
        is_known = value == value
        number += is_known.to(tl.int32)
        value = tl.where(is_known, value, float('inf'))
        lesser = ()
        for j in tl.static_range(min(i, HALF)):
            lesser += (tl.minimum(ordered[j], value),)
            value = tl.maximum(ordered[j], value)
        if i < HALF:
            lesser += (value,)
        ordered = lesser
    median = ordered[0]
    for i in tl.static_range(1, HALF):
        median = tl.where(number > 2 * i, ordered[i], median)
    pixel = y.to(tl.int64) * width + x
    center = tl.load(disparity + pixel, x < width, 0.0)
    has_median = (center == center) | (2 * number > SIDE * SIDE)
    tl.store(medians + pixel, tl.where(has_median, median, float('nan')), x < width)
