# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching cost that was learned: the angle between embeddings, beside the census distance."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.row_workers import RowWorkers
from ldn_perception.stereo.census_cost import CensusCost
from ldn_perception.stereo.census_signs import NUM_SIGNS, census_signs, grey_levels
from ldn_perception.stereo.patch_embedding import SCALE, PatchEmbedding
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties
from ldn_perception.stereo.vector_costs import CostShares, vector_costs

OUTSIDE_COST = 40
"""Cost of embeddings outside of the right image, of 128: more than of most true matches."""

LEARNED_PENALTIES = SmoothnessPenalties(small=50, large=400)
"""Chosen on drives and photographs that were held out of the training, for the shipped shares."""

_BLOCK_PX = 64
_CHUNK_ROWS = {'cpu': 4, 'cuda': 128}  # fits into the caches of a core; a few hundred MB


class LearnedCost:
    """1 - cosine of embeddings and the distance of census codes, weighted; a MatchingCost.

    On a CPU compiled loops compare, elsewhere torch: the same whole numbers from the same
    embeddings, which are rounded to eight bits.

    Args:
        network: Embeds patches; it is put into evaluation mode, and into the precision.
        precision: torch.float32 or torch.bfloat16, of the network.
        device: Where it runs.
        shares: Weights of both; embeddings alone unless given.
        num_threads: CPU threads that compare; the result does not depend on it.

    Attributes:
        outside_cost: Cost of what is outside of the right image.
    """

    def __init__(
        self, network: PatchEmbedding, precision: torch.dtype = torch.float32,
        device: torch.device | None = None, shares: CostShares | None = None,
        num_threads: int = 1,
    ) -> None:
        self._device = device if device is not None else torch.device('cpu')
        # torch's type stubs lack this overload of Module.to
        self._network = network.eval().requires_grad_(False).to(  # type: ignore[call-overload]
            self._device, precision, memory_format=torch.channels_last)
        self._census = CensusCost(num_threads=num_threads)
        self._shares = shares if shares is not None else CostShares()
        self.outside_cost = (
            OUTSIDE_COST * self._shares.vector // SCALE
            + self._shares.bit * self._census.outside_cost)
        self._workers = RowWorkers(num_threads)
        self._costs = np.empty((0, 0, 0), np.uint8)

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Cost of every disparity at every pixel of the left image; see MatchingCost.

        On a CPU the next call writes into the same memory.
        """
        if self._device.type != 'cpu':
            costs = self.compute_on_device(
                self._uploaded(left), self._uploaded(right), min_disparity, num_disparities)
            return np.asarray(costs.cpu().numpy(), np.uint8)
        shape = (*left.shape[:2], num_disparities)
        if self._costs.shape != shape:
            self._costs = np.empty(shape, np.uint8)
        vectors, others = (
            self._embed(self._uploaded(image)).numpy() for image in (left, right))
        vector_costs(
            vectors, others, self._codes(left), self._codes(right), self._shares,
            min_disparity, self.outside_cost, self._costs, self._workers)
        return self._costs

    def compute_on_device(
        self, left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
    ) -> Tensor:
        """Compute in torch without leaving the device.

        Args:
            left: (H, W, 3) uint8 RGB on the device.
            right: (H, W, 3) uint8 RGB on the device.
            min_disparity: Disparity of the first cost [px].
            num_disparities: D, >= 1.

        Returns:
            (H, W, D) uint8 on the device, see MatchingCost.
        """
        vectors = [self._embed(image).float() for image in (left, right)]
        signs = [_signs(image) for image in (left, right)] if self._shares.bit else []
        costs = torch.empty(
            (*left.shape[:2], num_disparities), dtype=torch.uint8, device=left.device)
        chunk = _CHUNK_ROWS.get(left.device.type, len(left))
        for first in range(0, len(left), chunk):
            products = partial(
                _products, slice(first, first + chunk), min_disparity, num_disparities)
            cost = _vector_cost(products(*vectors), self._shares)
            if self._shares.bit:
                cost += self._shares.bit * _distances(products(*signs))
            costs[first:first + chunk] = cost
        _mark_outside(costs, min_disparity, self.outside_cost)
        return costs

    def _uploaded(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).to(self._device)

    def _embed(self, image: Tensor) -> Tensor:
        with torch.inference_mode():
            return self._network.embed(image)

    def _codes(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        if self._shares.bit:
            return self._census.codes(image)
        return np.zeros(image.shape[:2], np.uint64)


def _signs(image: Tensor) -> Tensor:
    """Census signs, (H, W, 3) uint8 RGB to (H, W, NUM_SIGNS) float32."""
    levels = grey_levels(image).float()
    return census_signs(levels[None, None])[0].permute(1, 2, 0).contiguous()


def _vector_cost(product: Tensor, shares: CostShares) -> Tensor:
    """Cost of embeddings, of products of SCALE times unit vectors, rounded half up."""
    missing = SCALE**2 - product.clamp(min=0)
    return (missing / 2**shares.shift + 0.5).floor_().clamp_(0, shares.vector - 1)


def _distances(product: Tensor) -> Tensor:
    """Hamming distances, of products of signs."""
    return (NUM_SIGNS - product) / 2


def _products(
    rows: slice, min_disparity: int, num_disparities: int, left: Tensor, right: Tensor,
) -> Tensor:
    """Products of the pixels of some rows with those of the other image.

    Blocks of a row are multiplied with all that their pixels are compared with: a product of
    matrices of which a skewed band is the result.

    Args:
        rows: Which.
        min_disparity: Disparity of the first product [px].
        num_disparities: D, >= 1.
        left: (H, W, C) float32, of whole numbers whose products are exact.
        right: (H, W, C) float32.

    Returns:
        (h, W, D) float32; anything where the column is outside of the right image.
    """
    left, right = left[rows], right[rows]
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
