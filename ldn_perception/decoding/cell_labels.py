# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of whole cells between logits, decided from the corners of the cell.

Labels: Inside a cell every logit is a weighted mean of its four corner values, with the same
weights for all classes. A class that is below another one at all four corners is therefore below
it in the whole cell. A class that leads at all corners is the label of the cell. If the corners
have different leaders, a class below the mean of the leaders at all corners is below one of the
leaders everywhere. The margins keep this true for rounded numbers.

Softmax kernels: A pixel must get the same bits in every code path. So reassociation is not
allowed; only fusing a product with the sum that uses it is. exponential() ends in integer
arithmetic, so the caller's sum has no product to fuse with.

Numba's cache of compiled kernels checks only the file of the calling kernel: after changing this
file, remove the *.nbi files beside it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.types import UNLABELLED


class CellAxis(NamedTuple):
    """Pixels and cells along one side of the image.

    Cell i lies between sample i and its successor; for the last cell, sample i is its own
    successor.

    Attributes:
        first: (pixels,) int64, cell of each pixel, ascending; also the sample before it.
        second: (pixels,) int64, the sample after it.
        weight: (pixels,) float32, weight of the second sample, in [0, 1).
        starts: (cells + 1,) int64, first pixel of each cell, then the number of pixels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float32]
    starts: NDArray[np.int64]


@lru_cache(maxsize=16)
def cell_axis(num_samples: int, num_pixels: int) -> CellAxis:
    """Map samples to pixels as torch's interpolate(align_corners=False) does.

    Args:
        num_samples: Logits along the side.
        num_pixels: Pixels along the side [px].
    """
    scale = np.float32(num_samples / num_pixels)
    position = np.maximum(scale * (np.arange(num_pixels, dtype=np.float32) + np.float32(0.5))
                          - np.float32(0.5), 0)
    first = np.minimum(position.astype(np.int64), num_samples - 1)
    second = np.minimum(first + 1, num_samples - 1)
    starts = np.searchsorted(first, np.arange(num_samples + 1))
    return CellAxis(first, second, (position - first).astype(np.float32), starts)


DRIVING, FOREIGN = 0, 1
"""Index of the domain in arrays."""

BLOCK = 32
"""Cells processed together; a compile-time constant so that loops are vectorised."""


def padded_width(width: int) -> int:
    """Padded length of a row of samples: whole blocks of cells plus one right corner.

    Args:
        width: Samples in a row of logits.
    """
    return (width // BLOCK + 1) * BLOCK + 1


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def measure_samples(scores, first_row, num_driving, planes, best, second, winner):  # type: ignore[no-untyped-def]
    """Transpose rows of samples to one plane per class; find each domain's two largest logits.

    The last row and the last column are repeated as their own successors, so that each cell has
    four corners; W is padded_width(w).

    Args:
        scores: (h, w, C) float32 logits.
        first_row: First of the h rows.
        num_driving: Number of driving classes; later classes are foreign.
        planes: (rows, C, W) float32, output: logits.
        best: (rows, 2, W) float32, output: largest logit of each domain, -inf for a domain
            without classes.
        second: (rows, 2, W) float32, output: second largest logit.
        winner: (rows, 2, W) int32, output: class of the largest logit, the smallest id in a tie.

    Returns:
        Largest magnitude of a logit.
    """
    magnitudes = np.zeros(planes.shape[2], np.float32)
    for row in range(planes.shape[0]):
        plane = planes[row]
        _lay_out(scores[min(first_row + row, scores.shape[0] - 1)], plane)
        _two_largest(plane, 0, num_driving,
                     best[row, DRIVING], second[row, DRIVING], winner[row, DRIVING])
        _two_largest(plane, num_driving, plane.shape[0],
                     best[row, FOREIGN], second[row, FOREIGN], winner[row, FOREIGN])
        _raise_magnitudes(plane, magnitudes)
    return magnitudes.max()


@numba.njit(nogil=True)
def _lay_out(samples, plane):  # type: ignore[no-untyped-def]
    width, num_classes = samples.shape
    for c in range(num_classes):
        for x in range(width):
            plane[c, x] = samples[x, c]
        for x in range(width, plane.shape[1]):
            plane[c, x] = samples[width - 1, c]


@numba.njit(nogil=True, fastmath={'nsz'})
def _two_largest(plane, first_class, last_class, best, second, winner):  # type: ignore[no-untyped-def]
    for x in range(best.size):
        best[x] = second[x] = -np.inf
        winner[x] = first_class
    for c in range(first_class, last_class):
        for x in range(best.size):
            value, former = plane[c, x], best[x]
            runner_up = value if value < former else former
            second[x] = runner_up if runner_up > second[x] else second[x]
            winner[x] = c if value > former else winner[x]
            best[x] = value if value > former else former


@numba.njit(nogil=True)
def _raise_magnitudes(plane, magnitudes):  # type: ignore[no-untyped-def]
    for c in range(plane.shape[0]):
        for x in range(magnitudes.size):
            size = abs(plane[c, x])
            magnitudes[x] = size if size > magnitudes[x] else magnitudes[x]


@numba.njit(inline='always', fastmath={'contract', 'nsz'})
def exponential(x):  # type: ignore[no-untyped-def]
    """exp(x) for float32 x <= 0, relative error 1e-7 |x| + 3e-7; constant below -87.

    2^n 2^f with |f| <= 1/2: n is added to the exponent bits, 2^f is a polynomial.
    """
    clamped = x if x > np.float32(-87) else np.float32(-87)
    z = clamped * np.float32(1.442695)
    n = np.floor(z + np.float32(0.5))
    f = z - n
    p = np.float32(1) + f * (np.float32(0.693147) + f * (np.float32(0.24022242) + f * (
        np.float32(0.055507336) + f * (np.float32(0.009671513) + f * np.float32(0.001326472)))))
    bits = np.float32(p).view(np.int32) + (np.int32(n) << np.int32(23))
    return np.int32(bits).view(np.float32)


@numba.njit(inline='always', fastmath={'contract', 'nsz'})
def logarithm(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a normal float32 > 0, to 1e-5: exponent bits and polynomial."""
    bits = np.float32(x).view(np.int32)
    exponent = np.float32((bits >> np.int32(23)) - np.int32(127))
    mantissa = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000)).view(np.float32)
    z = mantissa - np.float32(1)
    p = z * (np.float32(0.99990165) + z * (np.float32(-0.4978749) + z * (
        np.float32(0.31764814) + z * (np.float32(-0.1937591) + z * (
            np.float32(0.08556826) + z * np.float32(-0.018338297))))))
    return exponent * np.float32(0.6931472) + p


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def sum_exponentials(values, best, size, num_driving, total, foreign):  # type: ignore[no-untyped-def]
    """Sum exp(value - best), and compute the share of the foreign classes in it.

    Args:
        values: (C, N) float32, logits of N pixels.
        best: (N,) float32, largest logit of each pixel.
        size: Number of pixels in use, <= N.
        num_driving: Number of driving classes; later classes are foreign.
        total: (N,) float32, output: sums.
        foreign: (N,) float32, output: foreign probabilities.
    """
    for x in range(size):
        total[x] = foreign[x] = 0
    for c in range(values.shape[0]):
        for x in range(size):
            total[x] += exponential(values[c, x] - best[x])
        if c == num_driving - 1:
            for x in range(size):
                foreign[x] = total[x]
    for x in range(size):
        share = np.float32(1) - foreign[x] / total[x]
        foreign[x] = share if share > 0 else np.float32(0)


_LANES = 8  # pixels compared at once; a compile-time constant so that they form one vector


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def decide_labels(  # type: ignore[no-untyped-def]
    scores, first_row, best, second, winner, row_starts, row_weight, cell_of_column,
    column_starts, column_weight, num_driving, num_candidates, margin, labels,
):
    """Label the pixels of some rows of cells.

    Args:
        scores: (h, w, C) float32 logits, contiguous.
        first_row: First row of cells; `best` has one more row of samples than there are rows of
            cells.
        best: See measure_samples.
        second: See measure_samples.
        winner: See measure_samples.
        row_starts: First pixel row of each row of cells, see CellAxis.
        row_weight: See CellAxis.
        cell_of_column: See CellAxis.
        column_starts: See CellAxis.
        column_weight: See CellAxis.
        num_driving: Classes from this one on are labelled 255.
        num_candidates: Number of classes considered: num_driving or C.
        margin: Lead of one class over another at the corners that guarantees the same order
            everywhere in the cell, despite float32 rounding.
        labels: (H, W) uint8, output.
    """
    height, width = scores.shape[0], scores.shape[1]
    leader = np.empty((2, best.shape[2]), np.int32)
    is_sure = np.empty((2, best.shape[2]), np.bool_)
    cell_label = np.empty(width, np.uint8)
    line = np.empty(cell_of_column.size, np.uint8)
    undecided = np.empty(width, np.int64)
    candidates = np.empty(num_candidates, np.int64)
    scratch = np.empty((2, num_candidates, _LANES), np.float32)
    weight = np.zeros(column_weight.size + _LANES, np.float32)
    weight[:column_weight.size] = column_weight
    has_foreign = num_candidates > num_driving
    _find_leaders(best[0], second[0], winner[0], has_foreign, margin, leader[0], is_sure[0])
    for row in range(best.shape[0] - 1):
        here, below = row % 2, (row + 1) % 2
        _find_leaders(best[row + 1], second[row + 1], winner[row + 1], has_foreign, margin,
                      leader[below], is_sure[below])
        top, bottom = row_starts[first_row + row], row_starts[first_row + row + 1]
        if top == bottom:
            continue
        num_undecided = _label_sure_cells(leader, is_sure, num_driving, cell_label, undecided)
        for x in range(line.size):
            line[x] = cell_label[np.uint64(cell_of_column[x])]
        for y in range(top, bottom):
            labels[y] = line
        above, below_it = first_row + row, min(first_row + row + 1, height - 1)
        for n in range(num_undecided):
            x = undecided[n]
            corners = (above, below_it, x, min(x + 1, width - 1))
            number = _find_candidates(
                scores, corners, leader[here, x], leader[here, x + 1], leader[below, x],
                leader[below, x + 1], margin, candidates)
            pixels = (top, bottom, column_starts[x], column_starts[x + 1])
            _label_pixels(
                scores, corners, candidates, number, num_driving, row_weight, weight, pixels,
                scratch, labels)


@numba.njit(nogil=True)
def _find_leaders(best, second, winner, has_foreign, margin, leader, is_sure):  # type: ignore[no-untyped-def]
    """Find the largest class at each sample, and whether it leads by the margin."""
    for x in range(leader.size):
        leader[x] = winner[DRIVING, x]
        is_sure[x] = best[DRIVING, x] - second[DRIVING, x] > margin
    if not has_foreign:
        return
    for x in range(leader.size):
        is_foreign = best[FOREIGN, x] > best[DRIVING, x]
        lead = abs(best[FOREIGN, x] - best[DRIVING, x])
        foreign_lead = best[FOREIGN, x] - second[FOREIGN, x]
        leads_in_domain = foreign_lead > margin if is_foreign else is_sure[x]
        leader[x] = winner[FOREIGN, x] if is_foreign else leader[x]
        is_sure[x] = leads_in_domain and lead > margin


@numba.njit(nogil=True)
def _label_sure_cells(leader, is_sure, num_driving, cell_label, undecided):  # type: ignore[no-untyped-def]
    """Label cells with the same sure leader at all corners; list the others."""
    number = 0
    for x in range(cell_label.size):
        one = leader[0, x]
        is_settled = (
            (leader[0, x + 1] == one) & (leader[1, x] == one) & (leader[1, x + 1] == one)
            & is_sure[0, x] & is_sure[0, x + 1] & is_sure[1, x] & is_sure[1, x + 1])
        cell_label[x] = one if one < num_driving else UNLABELLED
        undecided[number] = x
        number += not is_settled
    return number


@numba.njit(nogil=True)
def _find_candidates(scores, corners, first, second, third, fourth, margin, candidates):  # type: ignore[no-untyped-def]
    """List classes that are not below the mean of the leaders at all four corners."""
    i, j, x, r = corners
    quarter = np.float32(0.25)
    least_a = quarter * ((scores[i, x, first] + scores[i, x, second])
                         + (scores[i, x, third] + scores[i, x, fourth])) - margin
    least_b = quarter * ((scores[i, r, first] + scores[i, r, second])
                         + (scores[i, r, third] + scores[i, r, fourth])) - margin
    least_c = quarter * ((scores[j, x, first] + scores[j, x, second])
                         + (scores[j, x, third] + scores[j, x, fourth])) - margin
    least_d = quarter * ((scores[j, r, first] + scores[j, r, second])
                         + (scores[j, r, third] + scores[j, r, fourth])) - margin
    number = 0
    for n in range(candidates.size):
        candidates[number] = n
        number += ((scores[i, x, n] >= least_a) | (scores[i, r, n] >= least_b)
                   | (scores[j, x, n] >= least_c) | (scores[j, r, n] >= least_d))
    return number


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def _label_pixels(  # type: ignore[no-untyped-def]
    scores, corners, candidates, number, num_driving, row_weight, column_weight, pixels, scratch,
    labels,
):
    """Compare the candidates at every pixel of a cell."""
    i, j, x, r = corners
    top, bottom, left, right = pixels
    for start in range(left, right, _LANES):
        size = min(_LANES, right - start)
        for k in range(number):
            c = candidates[k]
            a, b = scores[i, x, c], scores[i, r, c] - scores[i, x, c]
            d, e = scores[j, x, c], scores[j, r, c] - scores[j, x, c]
            for n in range(_LANES):
                s = column_weight[np.uint64(start) + np.uint64(n)]
                upper = a + s * b
                scratch[0, k, n] = upper
                scratch[1, k, n] = (d + s * e) - upper
        for y in range(top, bottom):
            t = row_weight[y]
            for n in range(size):
                best, label = scratch[0, 0, n] + t * scratch[1, 0, n], candidates[0]
                for k in range(1, number):
                    value = scratch[0, k, n] + t * scratch[1, k, n]
                    label = candidates[k] if value > best else label
                    best = value if value > best else best
                labels[y, start + n] = label if label < num_driving else UNLABELLED
