# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="assignment,misc"
"""Median of what is known around each pixel, in one launch.

The same numbers as `median_of_known` of disparity_refinement.py, which has the source. A lane
inserts the neighbours of its pixel one by one into a sorted list and keeps its lower half.
"""

from __future__ import annotations

import torch
from torch import Tensor
import triton
import triton.language as tl

_PIXELS = 128  # of a program, side by side


def median_in_launch(disparity: Tensor, side_px: int) -> Tensor:
    """Median over a square, of what is known in it; see `median_of_known`.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        side_px: Side of the square, odd [px].

    Returns:
        (H, W) float32 [px].
    """
    if side_px == 1:
        return disparity
    disparity = disparity.contiguous()
    medians = torch.empty_like(disparity)
    height, width = disparity.shape
    _take_medians[(triton.cdiv(width, _PIXELS), height)](
        disparity, medians, height, width, SIDE=side_px, NUM_PIXELS=_PIXELS)
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
