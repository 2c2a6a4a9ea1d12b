# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The cheapest disparities of both images, from one volume of sums, and how sure they are.

Source: Hirschmüller, Stereo processing by semiglobal matching and mutual information, PAMI 2008,
section 2.3: the right image is matched by going through the same sums along its columns. Hu and
Mordohai, A quantitative evaluation of confidence measures for stereo vision, PAMI 2012, naive peak
ratio c2 / c1, here as 1 - c1 / c2 to lie in [0, 1], and c2 is the least sum not beside the winner.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.row_workers import RowWorkers

_NO_RIVAL = 0x7FFFFFFF  # more than any sum


class Winners(NamedTuple):
    """The cheapest disparities.

    Attributes:
        left: (H, W) float32 of the left image [px], NaN where unknown.
        right: (H, W) float32 of the right image, whole numbers [px], NaN where unknown.
        confidence: (H, W) float32 in [0, 1] of the left image, the part by which the winner
            costs less than the cheapest disparity that does not neighbour it; 1 where none does.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]
    confidence: NDArray[np.float32]


def take_winners(
    totals: NDArray[np.uint16], min_disparity: int, uniqueness_percent: int, workers: RowWorkers,
) -> Winners:
    """Cheapest disparities of both images.

    The left ones are refined by a parabola through the neighbouring sums. They are unknown where
    the winner points outside of the right image, or where a disparity that does not neighbour it
    costs less than winner / (1 - uniqueness_percent / 100): where the confidence is below
    uniqueness_percent / 100. Of equals the smallest disparity wins.

    Args:
        totals: (H, W, D) uint16 sums, D <= 65536.
        min_disparity: Disparity of the first one [px].
        uniqueness_percent: Margin of the winner, in [0, 100] [%].
        workers: Threads.
    """
    shape = totals.shape[:2]
    winners = Winners(*(np.empty(shape, np.float32) for _ in Winners._fields))
    workers.share(
        partial(_take_rows, totals, min_disparity, uniqueness_percent, *winners), len(totals))
    return winners


@numba.njit(nogil=True, cache=True)
def _take_rows(  # type: ignore[no-untyped-def]
    totals, min_disparity, uniqueness_percent, left, right, confidence, first, last,
):
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
            rival = _rival(total, winner)
            is_unique = np.int64(rival) * (100 - uniqueness_percent) >= np.int64(
                total[winner]) * 100
            confidence[y, x] = _margin(total[winner], rival)
            left[y, x] = np.nan
            if begin <= winner < end and is_unique:
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
def _rival(total, winner):  # type: ignore[no-untyped-def]
    """Least sum save those of the winner and beside it."""
    least = np.uint16(0xFFFF)
    for d in range(winner - 1):
        least = min(least, total[d])
    for d in range(winner + 2, total.size):
        least = min(least, total[d])
    has_any = winner > 1 or winner + 2 < total.size
    return np.int64(least) if has_any else np.int64(_NO_RIVAL)


@numba.njit(nogil=True)
def _margin(least, rival):  # type: ignore[no-untyped-def]
    if rival == _NO_RIVAL:
        return np.float32(1)
    if rival == 0:
        return np.float32(0)
    return np.float32(1) - np.float32(least) / np.float32(rival)


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
