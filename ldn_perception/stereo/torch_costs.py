# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Costs of embeddings and census signs, on any device of torch.

The same numbers as `vector_costs` of vector_costs.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ldn_perception.stereo.census_signs import NUM_SIGNS
from ldn_perception.stereo.patch_embedding import SCALE
from ldn_perception.stereo.vector_costs import CostShares

_BLOCK_PX = 64
_CHUNK_ROWS = {'cpu': 4, 'cuda': 128}  # fits into the caches of a core; a few hundred MB


class Described(NamedTuple):
    """What the pixels of an image are compared by.

    Attributes:
        vectors: (H, W, C) int8, SCALE times unit vectors.
        signs: (H, W, NUM_SIGNS) int8, 1 and -1; None where codes have no share.
    """

    vectors: Tensor
    signs: Tensor | None


def compare_on_device(
    left: Described, right: Described, shares: CostShares, min_disparity: int,
    num_disparities: int, outside_cost: int,
) -> Tensor:
    """Compare the pixels of each row with those of the other image; see `vector_costs`.

    Args:
        left: The left image.
        right: The right image.
        shares: Of vectors and signs.
        min_disparity: Disparity of the first cost [px].
        num_disparities: D, >= 1.
        outside_cost: Cost where the column is outside of the right image, in [0, 255].

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
    """Cost of embeddings, of products of SCALE times unit vectors, rounded half up."""
    missing = SCALE**2 - product.clamp(min=0)
    return (missing / 2**shares.shift + 0.5).floor_().clamp_(0, shares.vector - 1)


def _distances(product: Tensor) -> Tensor:
    """Hamming distances, of products of signs."""
    return (NUM_SIGNS - product) / 2


def _products(
    min_disparity: int, num_disparities: int, left: Tensor, right: Tensor,
) -> Tensor:
    """Products of the pixels of some rows with those of the other image.

    Blocks of a row are multiplied with all that their pixels are compared with: a product of
    matrices of which a skewed band is the result.

    Args:
        min_disparity: Disparity of the first product [px].
        num_disparities: D, >= 1.
        left: (h, W, C) int8, whose products are exact in float32.
        right: (h, W, C) int8.

    Returns:
        (h, W, D) float32; anything where the column is outside of the right image.
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
    """Columns of the left image of which some candidates are outside, at most two ranges."""
    left = min(width, max(0, min_disparity + num_disparities - 1))
    right = min(width, max(0, width + min_disparity))
    if left < right:
        yield slice(0, left)
        yield slice(right, width)
    else:
        yield slice(0, width)
