# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Semi-global aggregation of a cost volume, and selection of the cheapest disparities.

Source of the aggregation: Hirschmüller, Stereo processing by semiglobal matching and mutual
information, PAMI 2008, eqs. 13 and 14. Penalties are reduced at image edges, as in Žbontar and
LeCun, Stereo matching by training a convolutional neural network to compare image patches, JMLR
2016, section 4.2, here with the edges of the left image only.

Source of the winners: Hirschmüller, section 2.3; the right image is matched with the same sums,
read along its columns. Source of the confidence: Hu and Mordohai, A quantitative evaluation of
confidence measures for stereo vision, PAMI 2012, naive peak ratio c2 / c1, here as 1 - c1 / c2,
which lies in [0, 1]. c2 is the least sum that is not adjacent to the winner.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers

PATHS = {
    4: ((0, 1), (0, -1)),
    8: ((0, 1), (1, 1), (-1, 1), (0, -1), (1, -1), (-1, -1)),
}
"""Number of paths -> steps (dx, dy) of those that leave a row; the other two stay in it."""

_WALL = 0x3FFF  # beyond the first and last disparity, above all path costs
_MAX_PENALTY = 4095  # eight paths of at most 255 + P2 fit into 16 bits


@dataclass(frozen=True, slots=True)
class SmoothnessPenalties:
    """Penalties for a change of disparity between neighbours on a path.

    Attributes:
        small: P1, for a change by one step, >= 0 [units of the matching cost].
        large: P2, for any other change, >= P1, <= 4095 [units of the matching cost].
        edge_contrast: Smallest difference between neighbours in the left image that is an edge
            [grey levels of 255].
        edge_divisor: Divisor of both penalties at an edge, >= 1.

    Raises:
        StereoError: A value is out of its range.
    """

    small: int = 25
    large: int = 200
    edge_contrast: int = 12
    edge_divisor: float = 4.0

    def __post_init__(self) -> None:
        for name, is_met, must_be in (
            ('small', self.small >= 0, '>= 0'),
            ('large', self.small <= self.large <= _MAX_PENALTY,
             f'in [{self.small}, {_MAX_PENALTY}]'),
            ('edge_divisor', self.edge_divisor >= 1, '>= 1'),
        ):
            if not is_met:
                raise StereoError(
                    f'smoothness penalty {name}', must_be=must_be, got=getattr(self, name),
                    do='take one in the range', reason='penalties',
                )

    def at_edges(self) -> tuple[int, int]:
        """P1 and P2 at an edge, rounded down."""
        return int(self.small / self.edge_divisor), int(self.large / self.edge_divisor)

    def by_contrast(self) -> NDArray[np.uint16]:
        """P1 and P2 for every contrast, (2, 256) uint16, rounded down."""
        table = np.empty((2, 256), np.uint16)
        table[:] = np.array([[self.small], [self.large]])
        table[:, max(0, self.edge_contrast):] = np.array([self.at_edges()]).T
        return table


def aggregate_costs(
    costs: NDArray[np.uint8], image: NDArray[np.uint8], penalties: SmoothnessPenalties,
    num_paths: int, workers: RowWorkers, totals: NDArray[np.uint16] | None = None,
) -> NDArray[np.uint16]:
    """Sum over all paths the least cost of reaching a pixel with a disparity.

    Paths of one direction do not intersect, so threads share them without a lock. Besides the
    sums a thread stores two rows of costs.

    Args:
        costs: (H, W, D) uint8 matching costs.
        image: (H, W) uint8 grey left image; its edges reduce the penalties.
        penalties: P1 and P2.
        num_paths: A key of PATHS.
        workers: Threads; the result does not depend on their number.
        totals: (H, W, D) uint16 output; None allocates a new volume.

    Returns:
        (H, W, D) uint16.
    """
    height, width = image.shape
    table = penalties.by_contrast()
    if totals is None:
        totals = np.empty(costs.shape, np.uint16)
    workers.share(partial(_aggregate_rows, costs, image, table, totals), height)
    for dx, dy in PATHS[num_paths]:
        num_paths_along = width + abs(dx) * (height - 1)
        workers.share(
            partial(_aggregate_columns, costs, image, table, dx, dy, totals), num_paths_along)
    return totals


@numba.njit(nogil=True, cache=True)
def _aggregate_rows(costs, image, table, totals, first, last):  # type: ignore[no-untyped-def]
    width, num_disparities = costs.shape[1:]
    states = np.empty((2, num_disparities + 2), np.uint16)
    for y in range(first, last):
        totals[y] = 0
        for step in (1, -1):
            _begin_paths(states)
            least = np.uint16(0)
            x = before = 0 if step > 0 else width - 1
            for i in range(width):
                contrast = abs(np.int64(image[y, x]) - np.int64(image[y, before]))
                least = _advance(
                    states[i & 1], states[1 - (i & 1)], least, costs[y, x],
                    table[0, contrast], table[1, contrast], totals[y, x])
                before = x
                x += step


@numba.njit(nogil=True, cache=True)
def _aggregate_columns(costs, image, table, dx, dy, totals, first, last):  # type: ignore[no-untyped-def]
    """Follow paths numbered by their column, possibly outside the image, in the first row."""
    height, width, num_disparities = costs.shape
    states = np.empty((2, last - first, num_disparities + 2), np.uint16)
    _begin_paths(states[0])
    _begin_paths(states[1])
    least = np.zeros(last - first, np.uint16)
    leftmost = first - (height - 1 if dx > 0 else 0)
    for i in range(height):
        y = i if dy > 0 else height - 1 - i
        start = leftmost + dx * i
        for x in range(max(0, start), min(width, start + last - first)):
            before = x - dx
            contrast = 0
            if i > 0 and 0 <= before < width:
                contrast = abs(np.int64(image[y, x]) - np.int64(image[y - dy, before]))
            path = x - start
            least[path] = _advance(
                states[i & 1, path], states[1 - (i & 1), path], least[path], costs[y, x],
                table[0, contrast], table[1, contrast], totals[y, x])


@numba.njit(nogil=True)
def _begin_paths(states):  # type: ignore[no-untyped-def]
    """Initialise paths with cost 0: the first step yields the matching cost."""
    states[:] = 0
    states[:, 0] = _WALL
    states[:, -1] = _WALL


@numba.njit(nogil=True)
def _advance(previous, current, least, cost, small, large, total):  # type: ignore[no-untyped-def]
    """Advance a path by one pixel, eq. 13; return its least cost there."""
    jump = np.uint16(least + large)
    current[0] = current[-1] = _WALL
    new_least = np.uint16(_WALL)
    below, same, above = previous[:-2], previous[1:-1], previous[2:]
    values = current[1:-1]
    for d in range(cost.size):
        best = min(min(same[d], jump), np.uint16(min(below[d], above[d]) + small))
        value = np.uint16(cost[d] + np.uint16(best - least))
        values[d] = value
        total[d] += value
        new_least = min(new_least, value)
    return new_least


_NO_RIVAL = 0x7FFFFFFF  # more than any sum


class Winners(NamedTuple):
    """Cheapest disparities of both images.

    Attributes:
        left: (H, W) float32 disparity of the left image [px], NaN where unknown.
        right: (H, W) float32 disparity of the right image, whole numbers [px], NaN where unknown.
        confidence: (H, W) float32 in [0, 1] of the left image: relative margin of the winner to
            the cheapest non-adjacent disparity; 1 if there is no such disparity.
    """

    left: NDArray[np.float32]
    right: NDArray[np.float32]
    confidence: NDArray[np.float32]


def take_winners(
    totals: NDArray[np.uint16], min_disparity: int, uniqueness_percent: int, workers: RowWorkers,
) -> Winners:
    """Select the cheapest disparities of both images.

    Left disparities are refined by a parabola through the neighbouring sums. They are unknown if
    the winner points outside the right image, or if a non-adjacent disparity costs less than
    winner / (1 - uniqueness_percent / 100), that is, if the confidence is below
    uniqueness_percent / 100. The smallest disparity wins a tie.

    Args:
        totals: (H, W, D) uint16 sums, D <= 65536.
        min_disparity: Disparity of the first sum [px].
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
                # Columns of the right image are mirrored: they grow with the disparity.
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
    """Keep the smallest keys; a key is a sum in the high and its disparity in the low bits."""
    for i in range(total.size):
        disparity = np.uint32(begin + np.uint32(i))
        key = np.uint32((np.uint32(total[i]) << np.uint32(16)) | disparity)
        keys[i] = min(keys[i], key)


@numba.njit(nogil=True)
def _winner(total):  # type: ignore[no-untyped-def]
    """First disparity with the least sum; two passes keep the numbers at 16 bits."""
    least = np.uint16(0xFFFF)
    for d in range(total.size):
        least = min(least, total[d])
    winner = 0
    while total[winner] != least:
        winner += 1
    return winner


@numba.njit(nogil=True)
def _rival(total, winner):  # type: ignore[no-untyped-def]
    """Least sum that is not the winner or adjacent to it."""
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
    """Minimum of the parabola through a sum and its neighbours, in [-1/2, 1/2]."""
    if winner == 0 or winner == total.size - 1:
        return np.float32(0)
    below, above = np.float32(total[winner - 1]), np.float32(total[winner + 1])
    curvature = below - 2 * np.float32(total[winner]) + above
    if curvature <= 0:
        return np.float32(0)
    return (below - above) / (2 * curvature)
