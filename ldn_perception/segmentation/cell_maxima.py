# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The largest logits of every sample, before anything is upsampled."""

from __future__ import annotations

import numba
import numpy as np

DRIVING, FOREIGN = 0, 1
"""Index of a domain in the results."""

BLOCK = 32
"""Cells that are worked on together: a number the compiler knows makes whole vectors of them."""


def padded_width(width: int) -> int:
    """Samples a row is laid out in: whole blocks of cells and the right corners of the last.

    Args:
        width: Samples in a row of logits.
    """
    return (width // BLOCK + 1) * BLOCK + 1


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def measure_samples(scores, first_row, num_driving, planes, best, second, winner):  # type: ignore[no-untyped-def]
    """Lay rows of samples out by class and find the two largest logits of both domains.

    The last row and the last column are repeated where their successors would be, so that each
    cell has four corners; W is padded_width(w).

    Args:
        scores: (h, w, C) float32 logits.
        first_row: Which of the h rows to begin with.
        num_driving: The classes from this one on are foreign.
        planes: (rows, C, W) float32, receives the logits.
        best: (rows, 2, W) float32, receives the largest logit of each domain, -inf for a
            domain without classes.
        second: The same for the second largest.
        winner: (rows, 2, W) int32, receives the class of the largest; the smaller id of
            equals.

    Returns:
        The largest magnitude of a logit.
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
