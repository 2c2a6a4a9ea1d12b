# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching cost that survives different exposures: the Hamming distance of census codes.

Source: Zabih and Woodfill, Non-parametric local transforms for computing visual correspondence,
ECCV 1994.
"""

from __future__ import annotations

from functools import partial

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import StereoError
from ldn_perception.row_workers import RowWorkers
from ldn_perception.stereo.bit_count import count_bits

_MAX_BITS = 64
_OUTSIDE_SHARE = 3  # eighths of the bits: more than of a true match, less than of a false one


class CensusCost:
    """Hamming distances of census codes; a MatchingCost.

    Args:
        window_width: Columns that a code compares, odd [px].
        window_height: Rows that a code compares, odd [px].
        num_threads: Threads that share the rows; the result does not depend on it.

    Attributes:
        outside_cost: Cost of what is outside of the right image, 3/8 of the bits, rounded down.

    Raises:
        StereoError: A side is even, or a code would have no bit or more than 64.
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
        """Cost of every disparity at every pixel of the left image; see MatchingCost.

        The next call writes into the same memory: fresh pages would cost more than the matching.
        """
        return self._hamming(self.codes(left), self.codes(right), min_disparity, num_disparities)

    def codes(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """Census codes of an image.

        A bit tells whether a neighbour is darker than the centre. The first neighbour, the upper
        left one, has the highest bit; beyond the border the outermost pixels are repeated.

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
        """Distance of left[y, x] and right[y, x - min_disparity - d], (H, W, D) uint8."""
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
    """Columns of the right image are mirrored: they grow with the disparity."""
    width, num_disparities = costs.shape[1:]
    for y in range(first, last):
        for x in range(width):
            # candidates from begin on and before end are columns of the right image
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
