# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching costs on the CPU: census, embeddings and their mixture.

Source of the census cost: Zabih and Woodfill, Non-parametric local transforms for computing visual
correspondence, ECCV 1994.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers


class MatchingCost(Protocol):
    """Dissimilarity of pixels of the left and right image."""

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Compute the cost of every disparity at every pixel of the left image.

        Args:
            left: (H, W, 3) uint8 RGB, rectified.
            right: (H, W, 3) uint8 RGB, rectified.
            min_disparity: Disparity of the first cost [px].
            num_disparities: D, >= 1.

        Returns:
            (H, W, D) uint8, of left[y, x] and right[y, x - min_disparity - d]. Columns outside the
            right image get a cost between those of true and false matches, so that pixels hidden
            from the right camera do not match a wrong pixel. Valid until the next call, which may
            reuse the memory.
        """
        ...


_MAX_BITS = 64
_OUTSIDE_SHARE = 3  # eighths of the bits: above typical true matches, below false ones


class CensusCost:
    """Hamming distances of census codes; a MatchingCost.

    Args:
        window_width: Width of the census window, odd [px].
        window_height: Height of the census window, odd [px].
        num_threads: Threads that share the rows; the result does not depend on it.

    Attributes:
        outside_cost: Cost of columns outside the right image, 3/8 of the bits, rounded down.

    Raises:
        StereoError: A side is even, or a code would have no bits or more than 64.
    """

    def __init__(
        self, window_width: int = 11, window_height: int = 5, num_threads: int = 1,
    ) -> None:
        num_bits = window_width * window_height - 1
        is_odd = window_width % 2 == 1 and window_height % 2 == 1
        if not (is_odd and min(window_width, window_height) > 0 and 0 < num_bits <= _MAX_BITS):
            raise StereoError(
                'census window', must_be='odd in width and height with 2 to 65 pixels',
                got=f'{window_width}x{window_height}', do='take 11x5 or 9x7',
                reason='census_window',
            )
        self._radius_x, self._radius_y = window_width // 2, window_height // 2
        self.outside_cost = _OUTSIDE_SHARE * num_bits // 8
        self._workers = RowWorkers(num_threads)
        self._costs = np.empty((0, 0, 0), np.uint8)

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Compute the cost of every disparity at every pixel; see MatchingCost.

        The next call reuses the memory: allocating new pages would take longer than matching.
        """
        return self._hamming(self.codes(left), self.codes(right), min_disparity, num_disparities)

    def codes(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """Compute the census codes of an image.

        A bit is 1 if a neighbour is darker than the centre. The first neighbour, the upper left
        one, is the highest bit. The image is padded by border replication.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) uint64.
        """
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        rx, ry = self._radius_x, self._radius_y
        padded = np.asarray(
            cv2.copyMakeBorder(grey, ry, ry, rx, rx, cv2.BORDER_REPLICATE), np.uint8)
        codes = np.empty(grey.shape, np.uint64)
        self._workers.share(partial(_census_rows, padded, rx, ry, codes), len(codes))
        return codes

    def _hamming(
        self, left: NDArray[np.uint64], right: NDArray[np.uint64], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Hamming distance of left[y, x] and right[y, x - min_disparity - d], (H, W, D) uint8."""
        mirrored = np.ascontiguousarray(right[:, ::-1])
        shape = (*left.shape, num_disparities)
        if self._costs.shape != shape:
            self._costs = np.empty(shape, np.uint8)
        self._workers.share(
            partial(_hamming_rows, left, mirrored, min_disparity, self.outside_cost, self._costs),
            len(left))
        return self._costs


@numba.njit(nogil=True, cache=True)
def _census_rows(padded, radius_x, radius_y, codes, first, last):  # type: ignore[no-untyped-def]
    width = codes.shape[1]
    for y in range(first, last):
        code = codes[y]
        code[:] = 0
        center = padded[y + radius_y, radius_x:radius_x + width]
        for i in range(2 * radius_y + 1):
            for j in range(2 * radius_x + 1):
                if i == radius_y and j == radius_x:
                    continue
                neighbour = padded[y + i, j:j + width]
                for x in range(width):
                    darker = np.uint64(neighbour[x] < center[x])
                    code[x] = (code[x] << np.uint64(1)) | darker


@numba.njit(nogil=True, cache=True)
def _hamming_rows(left, mirrored, min_disparity, outside_cost, costs, first, last):  # type: ignore[no-untyped-def]
    """Fill rows of the cost volume; the right image is mirrored, so columns grow with d."""
    width, num_disparities = costs.shape[1:]
    for y in range(first, last):
        for x in range(width):
            # Candidates in [begin, end) are columns of the right image.
            begin = min(max(0, x - min_disparity - width + 1), num_disparities)
            end = max(begin, min(num_disparities, x - min_disparity + 1))
            costs[y, x, :begin] = outside_cost
            costs[y, x, end:] = outside_cost
            if begin < end:
                column = width - 1 - x + min_disparity
                _compare(left[y, x], mirrored[y, column + begin:column + end],
                         costs[y, x, begin:end])


@numba.njit(nogil=True)
def _compare(code, candidates, cost):  # type: ignore[no-untyped-def]
    for d in range(cost.size):
        cost[d] = count_bits(code ^ candidates[d])


MOST_BITS = 54
"""Bits of a census code with the default window."""

_ABREAST = 8  # vector elements multiplied per pass over the stored sums


@dataclass(frozen=True, slots=True)
class CostShares:
    """Weights of embeddings and census codes in a cost of at most 255.

    Attributes:
        vector: Cost at a cosine of 0, a power of two of at most 128.
        bit: Cost per differing census bit, >= 0.

    Raises:
        StereoError: A weight is out of its range, or the sum is too large.
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
        """Right shift from a product of int8 vectors to its cost [bits]."""
        return 15 - self.vector.bit_length()


def vector_costs(
    left: NDArray[np.int8], right: NDArray[np.int8], left_codes: NDArray[np.uint64],
    right_codes: NDArray[np.uint64], shares: CostShares, min_disparity: int, outside_cost: int,
    costs: NDArray[np.uint8], workers: RowWorkers,
) -> None:
    """Compute costs from embeddings and census codes into `costs`.

    A cost is shares.vector * (1 - product / 128**2), rounded half up and clamped to
    [0, shares.vector - 1], plus shares.bit times the Hamming distance.

    Args:
        left: (H, W, C) int8, 128 times unit vectors, C <= 512.
        right: (H, W, C) int8, 128 times unit vectors.
        left_codes: (H, W) uint64 census codes.
        right_codes: (H, W) uint64 census codes.
        shares: Weights of vectors and codes.
        min_disparity: Disparity of the first cost [px].
        outside_cost: Cost of columns outside the right image, in [0, 255].
        costs: (H, W, D) uint8, output.
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
    """Fill rows of the cost volume; the right image is mirrored, so columns grow with d."""
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
            # Candidates in [begin, end) are columns of the right image.
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
    """Add eight elements per call; sums of products of unit vectors fit into 16 bits."""
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
    free = np.int16((1 << 14) + (1 << (shift - 1)))  # product of cost 0, plus half a step
    steps, most = np.int16(shift), np.int16(vector_cost - 1)
    for i in range(cost.size):
        distance = count_bits(code ^ candidates[i])
        missing = np.int16(free - max(np.int16(0), min(product[i], free)))
        cost[i] = np.uint8(min(np.int16(missing >> steps), most) + distance * bit_cost)


@numba.njit(nogil=True, inline='always')
def count_bits(value):  # type: ignore[no-untyped-def]
    """Count the set bits of a uint64: sums of pairs, then of fours, then of bytes."""
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + (
        (value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (value * np.uint64(0x0101010101010101)) >> np.uint64(56)
