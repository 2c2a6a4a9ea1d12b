# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The cheapest disparities of both images, in one launch for each image.

The same numbers as `take_winners` of winner_takes_all.py, which has the source.
"""

from __future__ import annotations

import torch
from torch import Tensor
import triton
import triton.language as tl

_LEFT_PIXELS, _RIGHT_PIXELS = 8, 16  # of a program; those of the right image share what they read
_NUMBERS = ['width', 'min_disparity', 'uniqueness_percent']  # one kernel for all values


def take_winners_in_launches(
    totals: Tensor, min_disparity: int, uniqueness_percent: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cheapest disparities of both images; see `take_winners`.

    Args:
        totals: (H, W, D) uint16 sums, contiguous.
        min_disparity: Disparity of the first one [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].

    Returns:
        (H, W) float32 of the left and of the right image, whole numbers in the right one [px];
        NaN where unknown; and the confidence of the left one, in [0, 1].
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


@triton.jit(do_not_specialize=_NUMBERS)
def _take_left(  # type: ignore[no-untyped-def]
    totals, left, confidence, width, min_disparity, uniqueness_percent,
    NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr, NUM_PIXELS: tl.constexpr,
):
    """Winners, their parabolas and margins, of some pixels of a row of the left image."""
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


@triton.jit(do_not_specialize=_NUMBERS[:2])
def _take_right(  # type: ignore[no-untyped-def]
    totals, right, width, min_disparity, NUM_DISPARITIES: tl.constexpr, LANES: tl.constexpr,
    NUM_PIXELS: tl.constexpr,
):
    """Winners of some pixels of a row of the right image: with the disparity x grows."""
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
