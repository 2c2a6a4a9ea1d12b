# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Products of vectors of whole numbers and distances of codes, in one pass over the volume."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import StereoError
from ldn_perception.row_workers import RowWorkers
from ldn_perception.stereo.bit_count import count_bits

MOST_BITS = 54
"""Of a code."""

_ABREAST = 8  # elements of the vectors that are multiplied before the sum is stored


@dataclass(frozen=True, slots=True)
class CostShares:
    """What embeddings and census codes contribute to a cost of at most 255.

    Attributes:
        vector: Cost of a cosine of 0, a power of two of at most 128.
        bit: Cost of a bit in which codes differ, >= 0.

    Raises:
        StereoError: A share out of its range, or both together too large.
    """

    vector: int = 128
    bit: int = 0

    def __post_init__(self) -> None:
        for name, is_met, must_be in (
            ('vector', self.vector in (1, 2, 4, 8, 16, 32, 64, 128),
             'a power of two in [1, 128]'),
            ('bit', 0 <= self.bit <= (256 - self.vector) // MOST_BITS,
             f'in [0, {(256 - self.vector) // MOST_BITS}]'),
        ):
            if not is_met:
                raise StereoError(
                    f'cost share {name}', must_be=must_be, got=getattr(self, name),
                    do='take one in the range', reason='cost_shares',
                )

    @property
    def shift(self) -> int:
        """Bits that a product of int8 vectors has more than its cost."""
        return 15 - self.vector.bit_length()


def vector_costs(
    left: NDArray[np.int8], right: NDArray[np.int8], left_codes: NDArray[np.uint64],
    right_codes: NDArray[np.uint64], shares: CostShares, min_disparity: int, outside_cost: int,
    costs: NDArray[np.uint8], workers: RowWorkers,
) -> None:
    """Compare the pixels of each row with those of the other image.

    A cost is shares.vector * (1 - product / 128**2), rounded half up and within
    [0, shares.vector - 1], and shares.bit * distance.

    Args:
        left: (H, W, C) int8, 128 times unit vectors, C <= 512.
        right: (H, W, C) int8, 128 times unit vectors.
        left_codes: (H, W) uint64.
        right_codes: (H, W) uint64.
        shares: Of vectors and codes.
        min_disparity: Disparity of the first cost [px].
        outside_cost: Cost where the column is outside of the right image, in [0, 255].
        costs: (H, W, D) uint8 to write to.
        workers: Threads.
    """
    padding = -left.shape[2] % _ABREAST
    if padding:
        left, right = (np.pad(vectors, ((0, 0), (0, 0), (0, padding)))
                       for vectors in (left, right))
    workers.share(
        partial(_cost_rows, left, right, left_codes, right_codes, shares.shift, shares.vector,
                shares.bit, min_disparity, outside_cost, costs), len(left))


@numba.njit(nogil=True, cache=True)
def _cost_rows(  # type: ignore[no-untyped-def]
    left, right, left_codes, right_codes, shift, vector_cost, bit_cost, min_disparity,
    outside_cost, costs, first, last,
):
    """Columns of the right image are mirrored: they grow with the disparity."""
    width, num_disparities = costs.shape[1:]
    length = left.shape[2]
    mirrored = np.empty((length, width), np.int16)
    codes = np.empty(width, np.uint64)
    products = np.empty(num_disparities, np.int16)
    for y in range(first, last):
        for x in range(width):
            codes[width - 1 - x] = right_codes[y, x]
            for i in range(length):
                mirrored[i, width - 1 - x] = right[y, x, i]
        for x in range(width):
            # candidates from begin on and before end are columns of the right image
            begin = min(max(0, x - min_disparity - width + 1), num_disparities)
            end = max(begin, min(num_disparities, x - min_disparity + 1))
            costs[y, x, :begin] = outside_cost
            costs[y, x, end:] = outside_cost
            if begin < end:
                column = width - 1 - x + min_disparity + begin
                product = products[:end - begin]
                product[:] = 0
                for i in range(0, length, 8):
                    _add_products(left[y, x, i:i + 8], mirrored[i:i + 8], column, product)
                _write_costs(product, left_codes[y, x], codes[column:column + end - begin],
                             shift, vector_cost, bit_cost, costs[y, x, begin:end])


@numba.njit(nogil=True)
def _add_products(vector, rows, column, product):  # type: ignore[no-untyped-def]
    """Eight elements at a time; sums of such vectors fit into 16 bits."""
    end = column + product.size
    first, second = rows[0][column:end], rows[1][column:end]
    third, fourth = rows[2][column:end], rows[3][column:end]
    fifth, sixth = rows[4][column:end], rows[5][column:end]
    seventh, eighth = rows[6][column:end], rows[7][column:end]
    a, b, c, d = vector[0], vector[1], vector[2], vector[3]
    e, f, g, h = vector[4], vector[5], vector[6], vector[7]
    for i in range(product.size):
        product[i] = np.int16(
            product[i] + np.int16(a * first[i]) + np.int16(b * second[i])
            + np.int16(c * third[i]) + np.int16(d * fourth[i])
            + np.int16(e * fifth[i]) + np.int16(f * sixth[i])
            + np.int16(g * seventh[i]) + np.int16(h * eighth[i]))


@numba.njit(nogil=True)
def _write_costs(  # type: ignore[no-untyped-def]
    product, code, candidates, shift, vector_cost, bit_cost, cost,
):
    free = np.int16((1 << 14) + (1 << (shift - 1)))  # of this product on, with half a step
    steps, most = np.int16(shift), np.int16(vector_cost - 1)
    for i in range(cost.size):
        distance = count_bits(code ^ candidates[i])
        missing = np.int16(free - max(np.int16(0), min(product[i], free)))
        cost[i] = np.uint8(min(np.int16(missing >> steps), most) + distance * bit_cost)
