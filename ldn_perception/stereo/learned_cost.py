# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching cost that was learned: the angle between the embeddings of two patches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.stereo.patch_embedding import PatchEmbedding
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties

SCALE = 128
"""Cost of a cosine of 0; a power of two, so that scaling rounds nothing."""

OUTSIDE_COST = 40
"""Cost of what is outside of the right image: more than of most true matches."""

LEARNED_PENALTIES = SmoothnessPenalties(small=20, large=120)
"""Chosen on drives and photographs that were held out of the training."""

_LARGEST_COST = SCALE - 1
_BITS_OF_128 = 0x4300  # as bfloat16; up to 255 its steps are whole numbers
_BLOCK_PX = 64
_CHUNK_ROWS = 4  # fits into the caches of a CPU core


class LearnedCost:
    """Cosine distances of embeddings; a MatchingCost.

    Args:
        network: Embeds patches; it is put into evaluation mode, and into the precision.
        precision: torch.float32 or torch.bfloat16, of the network and of the products.
        device: Where it runs.
    """

    def __init__(
        self, network: PatchEmbedding, precision: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self._device = device if device is not None else torch.device('cpu')
        # torch's type stubs lack this overload of Module.to
        self._network = network.eval().requires_grad_(False).to(  # type: ignore[call-overload]
            self._device, precision, memory_format=torch.channels_last)

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Cost of every disparity at every pixel of the left image; see MatchingCost."""
        costs = self.compute_on_device(
            self._uploaded(left), self._uploaded(right), min_disparity, num_disparities)
        return np.asarray(costs.cpu().numpy(), np.uint8)

    def _uploaded(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).to(self._device)

    def compute_on_device(
        self, left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
    ) -> Tensor:
        """Compute without leaving the device.

        Args:
            left: (H, W, 3) uint8 RGB on the device.
            right: (H, W, 3) uint8 RGB on the device.
            min_disparity: Disparity of the first cost [px].
            num_disparities: D, >= 1.

        Returns:
            (H, W, D) uint8 on the device, see MatchingCost.
        """
        with torch.inference_mode():
            return cosine_costs(
                self._network.embed(left), self._network.embed(right), min_disparity,
                num_disparities)


def cosine_costs(
    left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
) -> Tensor:
    """Compare the pixels of each row with those of the other image.

    Blocks of a row are multiplied with all that their pixels are compared with: a product of
    matrices of which a skewed band is the result.

    Args:
        left: (H, W, C) float32 or bfloat16, of unit length.
        right: (H, W, C) of the same type, of unit length.
        min_disparity: Disparity of the first cost [px].
        num_disparities: D, >= 1.

    Returns:
        (H, W, D) uint8, SCALE * (1 - cosine) rounded, in [0, 127]; OUTSIDE_COST where the column
        is outside of the right image.
    """
    height, width, _ = left.shape
    costs = left.new_empty((height, width, num_disparities), dtype=torch.uint8)
    chunk = _CHUNK_ROWS if left.device.type == 'cpu' else height
    # column x - min_disparity - d of the right image is at x + num_disparities - 1 - d
    offset = min_disparity + num_disparities - 1
    for first in range(0, height, chunk):
        rows = slice(first, first + chunk)
        costs[rows] = _band(left[rows], right[rows], offset, num_disparities)
    _mark_outside(costs, min_disparity)
    return costs


def _band(left: Tensor, right: Tensor, offset: int, num_disparities: int) -> Tensor:
    """Costs of some rows, (h, W, D) uint8; anything where the column is outside."""
    height, width, length = left.shape
    padded = -(-(width + num_disparities - 1) // _BLOCK_PX) * _BLOCK_PX
    window = _BLOCK_PX + num_disparities - 1
    lefts = left.new_zeros(height, padded, length)
    torch.mul(left, -SCALE, out=lefts[:, :width])
    rights = left.new_zeros(height * padded + window, length)
    first, last = max(0, -offset), min(width, padded - offset)
    if first < last:
        rights[:height * padded].view(height, padded, length)[
            :, first + offset:last + offset] = right[:, first:last]
    number = height * padded // _BLOCK_PX
    windows = rights.as_strided((number, length, window), (_BLOCK_PX * length, 1, length))
    product = torch.baddbmm(
        left.new_tensor(2.0 * SCALE), lefts.view(number, _BLOCK_PX, length), windows)
    band = _whole_numbers(product).as_strided(
        (number, _BLOCK_PX, num_disparities), (_BLOCK_PX * window, window + 1, 1))
    costs = band.to(torch.uint8).flip(-1)
    return costs.view(height, padded, num_disparities)[:, :width]


def _whole_numbers(product: Tensor) -> Tensor:
    """Numbers whose lowest byte is product - SCALE, rounded and within the range of costs."""
    if product.dtype == torch.bfloat16:
        # from 128 to 255 the type itself has rounded: its lowest seven bits count from 128
        return product.view(torch.int16).clamp_(_BITS_OF_128, _BITS_OF_128 + _LARGEST_COST)
    return product.sub_(SCALE).round_().clamp_(0, _LARGEST_COST)


def _mark_outside(costs: Tensor, min_disparity: int) -> None:
    _, width, num_disparities = costs.shape
    for columns in _border(width, min_disparity, num_disparities):
        x = torch.arange(width, device=costs.device)[columns, None]
        column = x - min_disparity - torch.arange(num_disparities, device=costs.device)
        costs[:, columns].masked_fill_((column < 0) | (column >= width), OUTSIDE_COST)


def _border(width: int, min_disparity: int, num_disparities: int) -> Iterator[slice]:
    """Columns of the left image of which some candidates are outside, at most two ranges."""
    left = min(width, max(0, min_disparity + num_disparities - 1))
    right = min(width, max(0, width + min_disparity))
    if left < right:
        yield slice(0, left)
        yield slice(right, width)
    else:
        yield slice(0, width)
