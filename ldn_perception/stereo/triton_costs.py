# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Costs of embeddings and census signs, in one launch.

The same numbers as `vector_costs` of vector_costs.py. A program multiplies some neighbouring
pixels with a run of columns of the right image; in the product the disparity grows with the column
and, from pixel to pixel, by one.
"""

from __future__ import annotations

import torch
from torch import Tensor
import triton
import triton.language as tl

from ldn_perception.stereo.census_signs import NUM_SIGNS
from ldn_perception.stereo.patch_embedding import SCALE
from ldn_perception.stereo.torch_costs import Described
from ldn_perception.stereo.vector_costs import CostShares

_PIXELS, _COLUMNS = 64, 64  # of a program
_SHORTEST = 32  # vectors that int8 products are made of
_NUMBERS = ['width', 'min_disparity', 'num_disparities', 'outside_cost', 'vector_cost', 'shift',
            'bit_cost']  # one kernel for all values


def compare_in_launch(
    left: Described, right: Described, shares: CostShares, min_disparity: int,
    num_disparities: int, outside_cost: int,
) -> Tensor:
    """Compare the pixels of each row with those of the other image; see `vector_costs`.

    Args:
        left: The left image, contiguous.
        right: The right image, contiguous.
        shares: Of vectors and signs.
        min_disparity: Disparity of the first cost [px].
        num_disparities: D, >= 1.
        outside_cost: Cost where the column is outside of the right image, in [0, 255].

    Returns:
        (H, W, D) uint8 on the device of the vectors.
    """
    height, width, length = left.vectors.shape
    costs = torch.empty(
        (height, width, num_disparities), dtype=torch.uint8, device=left.vectors.device)
    runs = triton.cdiv(_PIXELS - 1 + num_disparities, _COLUMNS)
    _compare_tile[(runs, triton.cdiv(width, _PIXELS), height)](
        left.vectors, right.vectors, left.signs, right.signs, costs, width, min_disparity,
        num_disparities, outside_cost, shares.vector, shares.shift, shares.bit,
        LENGTH=length, LANES=max(_SHORTEST, triton.next_power_of_2(length)),
        NUM_SIGNS=NUM_SIGNS, SIGN_LANES=triton.next_power_of_2(NUM_SIGNS), SCALE=SCALE,
        NUM_PIXELS=_PIXELS, NUM_COLUMNS=_COLUMNS)
    return costs


@triton.jit(do_not_specialize=_NUMBERS)
def _compare_tile(  # type: ignore[no-untyped-def]
    left, right, left_signs, right_signs, costs, width, min_disparity, num_disparities,
    outside_cost, vector_cost, shift, bit_cost, LENGTH: tl.constexpr, LANES: tl.constexpr,
    NUM_SIGNS: tl.constexpr, SIGN_LANES: tl.constexpr, SCALE: tl.constexpr,
    NUM_PIXELS: tl.constexpr, NUM_COLUMNS: tl.constexpr,
):
    place = tl.arange(0, NUM_PIXELS)
    x = tl.program_id(1) * NUM_PIXELS + place
    # of the first pixel; of the others it is greater by their place
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
    """Products of pixels of a row with columns of the right image, 0 where there are none."""
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
