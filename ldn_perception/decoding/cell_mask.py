# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Out-of-distribution mask of whole cells, with few exponentials per pixel.

p_foreign > T is equivalent to log odds F(v) - D(v) > log(T / (1 - T)), where v are the logits of a
pixel and F and D are LSE(v) = log(sum(exp(v_c))) over the foreign and the driving classes. In a
cell v = sum_k w_k v_k with the bilinear weights w_k of its corners, and for both F and D:

    sum_k w_k (q . v_k) + H(q)  <=  LSE(v)  <=  sum_k w_k LSE(v_k)

The right side follows from convexity. The left side holds for any distribution q over the classes
with entropy H(q), because LSE is the conjugate of negative entropy (Boyd and Vandenberghe, Convex
Optimization, example 3.25). It is an equality for q = softmax(v), so q is the softmax at the
middle of the cell. Both bounds are bilinear like the logits: a cell is decided from its corners,
or a pixel by interpolating two numbers. Only pixels that remain undecided need exponentials of
their own.
"""

from __future__ import annotations

import numba
import numpy as np

from ldn_perception.decoding.cell_labels import (
    BLOCK,
    DRIVING,
    FOREIGN,
    exponential,
    logarithm,
    sum_exponentials,
)

OPEN = np.uint8(2)
_BATCH = 256


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def decide_mask(  # type: ignore[no-untyped-def]
    planes, first_row, best, winner, row_starts, row_weight, cell_of_column, column_starts,
    column_weight, num_driving, least, most, threshold, ood_mask,
):
    """Decide the mask of some rows of cells.

    Args:
        planes: See measure_samples.
        first_row: First row of cells; `planes` has one more row of samples than there are rows of
            cells.
        best: See measure_samples.
        winner: See measure_samples.
        row_starts: First pixel row of each row of cells, see CellAxis.
        row_weight: See CellAxis.
        cell_of_column: See CellAxis.
        column_starts: See CellAxis.
        column_weight: See CellAxis.
        num_driving: Number of driving classes; later classes are foreign.
        least: Log odds below which a pixel is certainly in distribution.
        most: Log odds above which a pixel is certainly out of distribution.
        threshold: Foreign probability above which a pixel is out of distribution.
        ood_mask: (H, W) bool, output.
    """
    num_blocks = planes.shape[2] // BLOCK
    state = np.empty(num_blocks * BLOCK, np.uint8)
    line = np.empty(cell_of_column.size, np.bool_)
    sums = np.empty(best.shape, np.float32)
    has_sums = np.zeros((best.shape[0], num_blocks + 1), np.bool_)
    has_sums[:, num_blocks] = True  # its only sample is padding
    bounds = np.empty((2, 4, state.size), np.float32)
    scratch = np.empty(8 * BLOCK, np.float32)
    for row in range(planes.shape[0] - 1):
        top, bottom = row_starts[first_row + row], row_starts[first_row + row + 1]
        if top == bottom:
            continue
        upper, lower, pair = planes[row], planes[row + 1], slice(row, row + 2)
        _settle_by_leaders(upper, lower, best[pair], winner[pair], num_driving, least, most,
                           state[:column_starts.size - 1])
        for block in range(num_blocks):
            left = block * BLOCK
            if not _has_open(state, left):
                continue
            for r in (row, row + 1):
                for b in (block, block + 1):
                    if not has_sums[r, b]:
                        _log_sums(planes[r], best[r], num_driving, b * BLOCK, sums[r], scratch)
                        has_sums[r, b] = True
            _bound_below(upper, lower, best[row, DRIVING], best[row + 1, DRIVING],
                         0, num_driving, left, scratch, bounds[DRIVING])
            _bound_below(upper, lower, best[row, FOREIGN], best[row + 1, FOREIGN],
                         num_driving, planes.shape[1], left, scratch, bounds[FOREIGN])
            _settle_by_bounds(sums[pair], bounds, left, least, most, state)
        for x in range(line.size):
            line[x] = state[np.uint64(cell_of_column[x])] == 1
        for y in range(top, bottom):
            ood_mask[y] = line
        _decide_open_cells(
            upper, lower, bounds, state[:column_starts.size - 1], top, bottom, row_weight,
            column_starts, column_weight, num_driving, least, most, threshold, ood_mask)


@numba.njit(nogil=True)
def _settle_by_leaders(upper, lower, best, winner, num_driving, least, most, state):  # type: ignore[no-untyped-def]
    """Settle cells without exponentials.

    With q uniform over the leaders of a domain at the four corners, the lower bound is the mean
    of their logits plus their entropy, which is at least 0. The upper bound is
    LSE(v) <= max(v) + log(classes).
    """
    slack_of_foreign = np.float32(np.log(upper.shape[0] - num_driving))
    slack_of_driving = np.float32(np.log(num_driving))
    for x in range(state.size):
        odds_a = best[0, FOREIGN, x] - best[0, DRIVING, x]
        odds_b = best[0, FOREIGN, x + 1] - best[0, DRIVING, x + 1]
        odds_c = best[1, FOREIGN, x] - best[1, DRIVING, x]
        odds_d = best[1, FOREIGN, x + 1] - best[1, DRIVING, x + 1]
        one, other = winner[0, DRIVING, x], winner[0, FOREIGN, x]
        has_leader = ((winner[0, DRIVING, x + 1] == one) & (winner[1, DRIVING, x] == one)
                      & (winner[1, DRIVING, x + 1] == one))
        has_foreign_leader = (
            (winner[0, FOREIGN, x + 1] == other) & (winner[1, FOREIGN, x] == other)
            & (winner[1, FOREIGN, x + 1] == other))
        highest = max(max(odds_a, odds_b), max(odds_c, odds_d)) + slack_of_foreign
        lowest = min(min(odds_a, odds_b), min(odds_c, odds_d)) - slack_of_driving
        state[x] = (0 if has_leader & (highest < least)
                    else 1 if has_foreign_leader & (lowest > most) else OPEN)
        if state[x] == OPEN and highest < least:
            mean = _mean_of_leaders(upper, lower, winner, DRIVING, x)
            state[x] = OPEN if (
                (best[0, FOREIGN, x] - mean[0] + slack_of_foreign >= least)
                | (best[0, FOREIGN, x + 1] - mean[1] + slack_of_foreign >= least)
                | (best[1, FOREIGN, x] - mean[2] + slack_of_foreign >= least)
                | (best[1, FOREIGN, x + 1] - mean[3] + slack_of_foreign >= least)) else 0
        elif state[x] == OPEN and lowest > most:
            mean = _mean_of_leaders(upper, lower, winner, FOREIGN, x)
            state[x] = OPEN if (
                (mean[0] - best[0, DRIVING, x] - slack_of_driving <= most)
                | (mean[1] - best[0, DRIVING, x + 1] - slack_of_driving <= most)
                | (mean[2] - best[1, DRIVING, x] - slack_of_driving <= most)
                | (mean[3] - best[1, DRIVING, x + 1] - slack_of_driving <= most)) else 1


@numba.njit(nogil=True)
def _mean_of_leaders(upper, lower, winner, domain, x):  # type: ignore[no-untyped-def]
    """Mean logit of a domain's leaders at each corner of a cell."""
    a, b = winner[0, domain, x], winner[0, domain, x + 1]
    c, d = winner[1, domain, x], winner[1, domain, x + 1]
    quarter = np.float32(0.25)
    return (
        quarter * ((upper[a, x] + upper[b, x]) + (upper[c, x] + upper[d, x])),
        quarter * ((upper[a, x + 1] + upper[b, x + 1]) + (upper[c, x + 1] + upper[d, x + 1])),
        quarter * ((lower[a, x] + lower[b, x]) + (lower[c, x] + lower[d, x])),
        quarter * ((lower[a, x + 1] + lower[b, x + 1]) + (lower[c, x + 1] + lower[d, x + 1])),
    )


@numba.njit(nogil=True)
def _has_open(state, left):  # type: ignore[no-untyped-def]
    number = 0
    for x in range(BLOCK):
        number += state[left + x] == OPEN
    return number > 0


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def _log_sums(plane, best, num_driving, left, sums, scratch):  # type: ignore[no-untyped-def]
    """Compute the LSE of both domains at the samples of a block."""
    start = np.uint64(left)
    for domain in range(2):
        first = 0 if domain == DRIVING else num_driving
        last = num_driving if domain == DRIVING else plane.shape[0]
        for x in range(BLOCK):
            scratch[x] = 0
            scratch[BLOCK + x] = best[domain, start + np.uint64(x)]
        for c in range(first, last):
            for x in range(BLOCK):
                scratch[x] += exponential(plane[c, start + np.uint64(x)] - scratch[BLOCK + x])
        for x in range(BLOCK):
            sums[domain, start + np.uint64(x)] = scratch[BLOCK + x] + logarithm(scratch[x])


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def _bound_below(  # type: ignore[no-untyped-def]
    upper, lower, upper_best, lower_best, first_class, last_class, left, scratch, bound,
):
    """Compute q . v_k + H(q) at the corners k of a block's cells, q the softmax in the middle.

    With q = e / S, e = exp(x), H(q) is log(S) - sum(q x), so the bound is
    log(S) + sum_c(e_c (v_k,c - x_c)) / S. It remains a bound if x was clamped.
    """
    start, right = np.uint64(left), np.uint64(left + 1)
    quarter = np.float32(0.25)
    for x in range(BLOCK):
        i, j = start + np.uint64(x), right + np.uint64(x)
        scratch[x] = quarter * ((upper_best[i] + upper_best[j]) + (lower_best[i] + lower_best[j]))
        scratch[BLOCK + x] = 0
        scratch[2 * BLOCK + x] = scratch[3 * BLOCK + x] = 0
        scratch[4 * BLOCK + x] = scratch[5 * BLOCK + x] = 0
    for n in range(first_class, last_class):
        for x in range(BLOCK):
            i, j = start + np.uint64(x), right + np.uint64(x)
            a, b, c, d = upper[n, i], upper[n, j], lower[n, i], lower[n, j]
            middle = quarter * ((a + b) + (c + d)) - scratch[x]
            cut = middle if middle > np.float32(-87) else np.float32(-87)
            e = exponential(cut)
            scratch[BLOCK + x] += e
            scratch[2 * BLOCK + x] += e * (a - cut)
            scratch[3 * BLOCK + x] += e * (b - cut)
            scratch[4 * BLOCK + x] += e * (c - cut)
            scratch[5 * BLOCK + x] += e * (d - cut)
    for k in range(4):
        for x in range(BLOCK):
            total = scratch[BLOCK + x]
            bound[k, start + np.uint64(x)] = (
                scratch[(2 + k) * BLOCK + x] / total + logarithm(total))


@numba.njit(nogil=True)
def _settle_by_bounds(sums, bounds, left, least, most, state):  # type: ignore[no-untyped-def]
    """Convert bounds of both LSE to bounds of the log odds, and settle cells with them.

    Afterwards bounds[FOREIGN] is the lower bound of the log odds and bounds[DRIVING] the upper.
    """
    for x in range(left, left + BLOCK):
        highest, lowest = np.float32(-np.inf), np.float32(np.inf)
        for k in range(4):
            corner = x + k % 2
            at_most = sums[k // 2, FOREIGN, corner] - bounds[DRIVING, k, x]
            at_least = bounds[FOREIGN, k, x] - sums[k // 2, DRIVING, corner]
            bounds[DRIVING, k, x], bounds[FOREIGN, k, x] = at_most, at_least
            highest, lowest = max(highest, at_most), min(lowest, at_least)
        if state[x] == OPEN:
            state[x] = 0 if highest < least else 1 if lowest > most else OPEN


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def _decide_open_cells(  # type: ignore[no-untyped-def]
    upper, lower, bounds, state, top, bottom, row_weight, column_starts, column_weight,
    num_driving, least, most, threshold, ood_mask,
):
    """Interpolate the bounds at the pixels of open cells; collect undecided pixels."""
    pixels = np.empty((3, _BATCH), np.uint64)
    weights = np.empty((2, _BATCH), np.float32)
    size = 0
    at_most, at_least = bounds[DRIVING], bounds[FOREIGN]
    for cell in range(state.size):
        if state[cell] != OPEN:
            continue
        for y in range(top, bottom):
            t = row_weight[y]
            high = at_most[0, cell] + t * (at_most[2, cell] - at_most[0, cell])
            high_step = at_most[1, cell] + t * (at_most[3, cell] - at_most[1, cell]) - high
            low = at_least[0, cell] + t * (at_least[2, cell] - at_least[0, cell])
            low_step = at_least[1, cell] + t * (at_least[3, cell] - at_least[1, cell]) - low
            for x in range(column_starts[cell], column_starts[cell + 1]):
                s = column_weight[x]
                is_above, is_below = low + s * low_step > most, high + s * high_step < least
                ood_mask[y, x] = is_above
                pixels[0, size], pixels[1, size], pixels[2, size] = y, x, cell
                weights[0, size], weights[1, size] = t, s
                size += not (is_above | is_below)
                if size == _BATCH:
                    _decide_pixels(upper, lower, pixels, weights, size, num_driving, threshold,
                                   ood_mask)
                    size = 0
    if size:
        _decide_pixels(upper, lower, pixels, weights, size, num_driving, threshold, ood_mask)


@numba.njit(nogil=True, fastmath={'contract', 'nsz'})
def _decide_pixels(upper, lower, pixels, weights, size, num_driving, threshold, ood_mask):  # type: ignore[no-untyped-def]
    """Compute the foreign probability of single pixels with the arithmetic of whole images."""
    values = np.empty((upper.shape[0], _BATCH), np.float32)
    best = np.full(_BATCH, -np.inf, np.float32)
    total, foreign = np.empty(_BATCH, np.float32), np.empty(_BATCH, np.float32)
    for c in range(upper.shape[0]):
        for n in range(size):
            i = pixels[2, n]
            j = i + np.uint64(1)
            above = upper[c, i] + weights[1, n] * (upper[c, j] - upper[c, i])
            below = lower[c, i] + weights[1, n] * (lower[c, j] - lower[c, i])
            value = above + weights[0, n] * (below - above)
            values[c, n] = value
            best[n] = value if value > best[n] else best[n]
    sum_exponentials(values, best, size, num_driving, total, foreign)
    for n in range(size):
        ood_mask[pixels[0, n], pixels[1, n]] = foreign[n] > threshold
