# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Refinement of winning disparities: consistency checks, smoothing, hole filling."""

from __future__ import annotations

from functools import partial

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.hardware import RowWorkers

_SUBPIXEL = 16
_UNKNOWN = -32768  # in sixteenths, below every disparity of an image


def keep_consistent(
    left: NDArray[np.float32], right: NDArray[np.float32], tolerance_px: float,
) -> NDArray[np.float32]:
    """Keep disparities of the left image that are consistent with the right image.

    Source: Hirschmüller (PAMI 2008), section 2.3, here with both columns around the point.

    Args:
        left: (H, W) float32 [px], NaN where unknown.
        right: (H, W) float32 [px], NaN where unknown; column x of the right image corresponds to
            column x + disparity of the left one.
        tolerance_px: Largest difference to the disparity at one of the two right columns around
            the corresponding point [px].

    Returns:
        (H, W) float32 [px], NaN where unknown or inconsistent.
    """
    column = np.arange(left.shape[1], dtype=np.float32) - np.where(np.isnan(left), 0, left)
    agrees = _differs_at_most(left, right, np.floor(column), tolerance_px)
    agrees |= _differs_at_most(left, right, np.ceil(column), tolerance_px)
    return np.where(agrees, left, np.float32(np.nan))


def _differs_at_most(
    left: NDArray[np.float32], right: NDArray[np.float32], column: NDArray[np.float32],
    tolerance_px: float,
) -> NDArray[np.bool_]:
    """True where left and right disparities differ at most by the tolerance; NaN is False."""
    last = left.shape[1] - 1
    counterpart = np.take_along_axis(right, np.clip(column, 0, last).astype(np.int64), axis=1)
    is_close = np.abs(left - counterpart) <= np.float32(tolerance_px)
    return np.asarray((column >= 0) & (column <= last) & is_close)


def keep_inside(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep disparities of the left image that point into the right one, else NaN.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.

    Returns:
        (H, W) float32 [px].
    """
    last = disparity.shape[1] - 1
    column = np.arange(last + 1, dtype=np.float32) - disparity
    return np.where((column >= 0) & (column <= last), disparity, np.float32(np.nan))


def remove_speckles(
    disparity: NDArray[np.float32], size_px: int, step_px: float,
) -> NDArray[np.float32]:
    """Remove small regions of disparity.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown, magnitudes < 2047 px.
        size_px: Largest area of a removed region [px]; 0 keeps all.
        step_px: Largest difference between 4-neighbours of one region [px].

    Returns:
        (H, W) float32 [px], NaN where unknown.
    """
    if size_px == 0:
        return disparity
    is_known = np.isfinite(disparity)
    steps = np.rint(np.where(is_known, disparity * _SUBPIXEL, _UNKNOWN)).astype(np.int16)
    cv2.filterSpeckles(steps, _UNKNOWN, size_px, round(step_px * _SUBPIXEL))
    return np.where(steps == _UNKNOWN, np.float32(np.nan), disparity)


def median_of_known(
    disparity: NDArray[np.float32], side_px: int, workers: RowWorkers,
) -> NDArray[np.float32]:
    """Median of the known values in a square window; the lower one of two middle values.

    An unknown pixel stays unknown unless most of its window is known. This closes pinholes and
    does not move straight borders. The image is padded by border replication.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        side_px: Side of the window, 1, 3 or 5 [px].
        workers: Threads.

    Returns:
        (H, W) float32 [px], NaN where unknown.
    """
    if side_px == 1:
        return disparity
    is_unknown = np.isnan(disparity)
    smoothed = np.asarray(
        cv2.medianBlur(np.where(is_unknown, np.float32(0), disparity), side_px), np.float32)
    has_gap = cv2.dilate(is_unknown.astype(np.uint8), np.ones((side_px, side_px), np.uint8)) > 0
    workers.share(
        partial(_take_medians, disparity, side_px // 2, has_gap, smoothed), len(disparity))
    return smoothed


def fill_from_background(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill unknown pixels with the smaller of the nearest disparities in their row.

    Holes are mostly occlusions in the right image, which belong to the farther surface. A row
    without any disparity is copied from the nearest row that has one, the upper one in a tie.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.

    Returns:
        (H, W) float32 [px]; NaN everywhere if nothing is known.
    """
    filled = np.fmin(_carry_right(disparity), _carry_right(disparity[:, ::-1])[:, ::-1])
    rows = np.flatnonzero(np.isfinite(filled[:, 0]))
    if rows.size == 0:
        return filled
    distance = np.abs(np.arange(len(filled))[:, None] - rows)
    extended: NDArray[np.float32] = filled[rows[np.argmin(distance, axis=1)]]
    return extended


def _carry_right(disparity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Propagate the last known disparity of each row to the right; NaN before the first."""
    column = np.where(np.isfinite(disparity), np.arange(disparity.shape[1]), 0)
    return np.take_along_axis(disparity, np.maximum.accumulate(column, axis=1), axis=1)


@numba.njit(nogil=True, cache=True)
def _take_medians(disparity, radius, is_wanted, medians, first, last):  # type: ignore[no-untyped-def]
    height, width = disparity.shape
    window = np.empty((2 * radius + 1) ** 2, np.float32)
    for y in range(first, last):
        for x in range(width):
            if not is_wanted[y, x]:
                continue
            number = 0
            for i in range(y - radius, y + radius + 1):
                for j in range(x - radius, x + radius + 1):
                    value = disparity[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]
                    if not np.isnan(value):
                        window[number] = value
                        number += 1
            if np.isnan(disparity[y, x]) and 2 * number <= window.size:
                medians[y, x] = np.nan
            else:
                medians[y, x] = _lower_median(window[:number])


@numba.njit(nogil=True)
def _lower_median(values):  # type: ignore[no-untyped-def]
    """Lower median, by insertion sort, which is fast for short lists."""
    for i in range(1, values.size):
        value = values[i]
        position = i
        while position > 0 and values[position - 1] > value:
            values[position] = values[position - 1]
            position -= 1
        values[position] = value
    return values[(values.size - 1) // 2]
