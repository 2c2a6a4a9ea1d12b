# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels of whole cells where the corners settle them, of single pixels where they do not.

Inside a cell every logit is a mean of its four corners with the same weights for all classes. So
what is less than another at all four corners is less in the whole cell. A class that leads at all
of them is the label of the cell; and where corners have different leaders, a class that is below
the mean of the leaders at all corners is below one of the leaders everywhere. The margins keep
this true of rounded numbers.
"""

from __future__ import annotations

import numba
import numpy as np

from ldn_perception.frames import UNLABELLED
from ldn_perception.segmentation.cell_maxima import DRIVING, FOREIGN

_LANES = 8  # pixels compared at once: a number the compiler knows makes one vector of them


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def decide_labels(  # type: ignore[no-untyped-def]
    scores, first_row, best, second, winner, row_starts, row_weight, cell_of_column,
    column_starts, column_weight, num_driving, num_candidates, margin, labels,
):
    """Label the pixels of some rows of cells.

    Args:
        scores: (h, w, C) float32 logits, contiguous.
        first_row: First row of cells; there is one less than rows of samples in `best`.
        best: See measure_samples.
        second: See measure_samples.
        winner: See measure_samples.
        row_starts: Rows of pixels of each row of cells, see CellAxis.
        row_weight: See CellAxis.
        cell_of_column: See CellAxis.
        column_starts: See CellAxis.
        column_weight: See CellAxis.
        num_driving: Classes from this one on are labelled 255.
        num_candidates: Classes from this one on are not looked at: num_driving or C.
        margin: By how much a class has to be above another one at the corners to be above it
            wherever the cell is interpolated in float32.
        labels: (H, W) uint8, receives the labels.
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
    """Find the largest class at each sample, and whether it is the largest by the margin."""
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
    """Label the cells with one sure leader at all corners; list the others."""
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
    """List the classes that are not below the mean of the leaders at all four corners."""
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
