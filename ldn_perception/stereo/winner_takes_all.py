# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The cheapest disparities of both images, from one volume of sums.

Source: Hirschmüller, Stereo processing by semiglobal matching and mutual information, PAMI 2008,
section 2.3: the right image is matched by going through the same sums along its columns.
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.row_workers import RowWorkers


def take_winners(
    totals: NDArray[np.uint16], min_disparity: int, uniqueness_percent: int, workers: RowWorkers,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cheapest disparities of both images.

    The left ones are refined by a parabola through the neighbouring sums. They are unknown where
    the winner points outside of the right image, or where a disparity that does not neighbour it
    costs less than winner / (1 - uniqueness_percent / 100). Of equals the smallest disparity
    wins.

    Args:
        totals: (H, W, D) uint16 sums, D <= 65536.
        min_disparity: Disparity of the first one [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].
        workers: Threads.

    Returns:
        (H, W) float32 of the left and of the right image, whole numbers in the right one [px];
        NaN where unknown.
    """
    left = np.empty(totals.shape[:2], np.float32)
    right = np.empty(totals.shape[:2], np.float32)
    workers.share(
        partial(_take_rows, totals, min_disparity, uniqueness_percent, left, right), len(totals))
    return left, right


@numba.njit(nogil=True, cache=True)
def _take_rows(totals, min_disparity, uniqueness_percent, left, right, first, last):  # type: ignore[no-untyped-def]
    width, num_disparities = totals.shape[1:]
    keys = np.empty(width, np.uint32)
    for y in range(first, last):
        keys[:] = 0xFFFFFFFF
        for x in range(width):
            total = totals[y, x]
            begin = max(0, x - min_disparity - width + 1)
            end = min(num_disparities, x - min_disparity + 1)
            if begin < end:
                # columns of the right image are mirrored: they grow with the disparity
                mirrored = width - 1 - x + min_disparity
                _lower_keys(
                    total[begin:end], np.uint32(begin), keys[mirrored + begin:mirrored + end])
            winner = _winner(total)
            left[y, x] = np.nan
            if begin <= winner < end and _is_unique(total, winner, uniqueness_percent):
                left[y, x] = min_disparity + winner + _parabola_minimum(total, winner)
        for x in range(width):
            key = keys[width - 1 - x]
            right[y, x] = np.nan if key == 0xFFFFFFFF else min_disparity + (key & 0xFFFF)


@numba.njit(nogil=True)
def _lower_keys(total, begin, keys):  # type: ignore[no-untyped-def]
    """Note sums below those noted, each above its disparity in one number."""
    for i in range(total.size):
        disparity = np.uint32(begin + np.uint32(i))
        key = np.uint32((np.uint32(total[i]) << np.uint32(16)) | disparity)
        keys[i] = min(keys[i], key)


@numba.njit(nogil=True)
def _winner(total):  # type: ignore[no-untyped-def]
    """First disparity with the least sum, in two steps of 16-bit numbers."""
    least = np.uint16(0xFFFF)
    for d in range(total.size):
        least = min(least, total[d])
    winner = 0
    while total[winner] != least:
        winner += 1
    return winner


@numba.njit(nogil=True)
def _is_unique(total, winner, uniqueness_percent):  # type: ignore[no-untyped-def]
    """Whether no sum is closer than the margin, save those beside the winner."""
    if uniqueness_percent == 0:
        return True
    limit = np.int32(total[winner]) * np.int32(100)
    factor = np.int32(100 - uniqueness_percent)
    num_close = np.int32(0)
    for d in range(total.size):
        num_close += np.int32(total[d]) * factor < limit
    for d in range(max(0, winner - 1), min(total.size, winner + 2)):
        num_close -= np.int32(total[d]) * factor < limit
    return num_close == 0


@numba.njit(nogil=True)
def _parabola_minimum(total, winner):  # type: ignore[no-untyped-def]
    """Where the parabola through a sum and its neighbours is least, in [-1/2, 1/2]."""
    if winner == 0 or winner == total.size - 1:
        return np.float32(0)
    below, above = np.float32(total[winner - 1]), np.float32(total[winner + 1])
    curvature = below - 2 * np.float32(total[winner]) + above
    if curvature <= 0:
        return np.float32(0)
    return (below - above) / (2 * curvature)
