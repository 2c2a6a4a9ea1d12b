# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Markings on the road, smoothed exactly to the size of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANE_WIDTH_M = 3.5
"""Distance of the edge lines from the centre line; beyond them cars park."""

_DASH_PERIOD_M = 12.0
_BAR_PERIOD_M = 6.0


def lane_paint(
    along_m: NDArray[np.float32], across_m: NDArray[np.float32],
    pixel_along_m: NDArray[np.float32], pixel_across_m: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Share of a pixel that is painted: dashed centre line, edge lines, parking bars.

    Args:
        along_m: (N,) position along the street.
        across_m: (N,) position across it, 0 on the centre line.
        pixel_along_m: (N,) extent of the pixel on the road, along the street.
        pixel_across_m: (N,) extent of the pixel on the road, across the street.

    Returns:
        (N,) float32 in [0, 1].
    """
    side = np.abs(across_m)
    dash = _covered(_wrapped(along_m, _DASH_PERIOD_M), 2.0, pixel_along_m)
    centre = _covered(side, 0.075, pixel_across_m) * dash
    edge = _covered(side - np.float32(LANE_WIDTH_M), 0.06, pixel_across_m)
    parking = _covered(side - np.float32(LANE_WIDTH_M + 1.0), 1.0, pixel_across_m)
    bar = _covered(_wrapped(along_m, _BAR_PERIOD_M), 0.06, pixel_along_m)
    return np.maximum(np.maximum(centre, edge), parking * bar)


def crossing_paint(
    across_m: NDArray[np.float32], pixel_across_m: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of a pixel that is painted on a zebra crossing; arguments as of lane_paint."""
    stripes = _covered(_wrapped(across_m, 1.0), 0.25, pixel_across_m)
    return np.where(pixel_across_m > 1, np.float32(0.5), stripes)


def _wrapped(position: NDArray[np.float32], period: float) -> NDArray[np.float32]:
    """Signed distance from the nearest multiple of the period."""
    return position - np.float32(period) * np.round(position / np.float32(period))


def _covered(
    offset: NDArray[np.float32], half_width: float, pixel: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Share of an interval, pixel long about offset, within half_width of zero."""
    upper = np.minimum(offset + pixel / 2, np.float32(half_width))
    lower = np.maximum(offset - pixel / 2, np.float32(-half_width))
    return np.clip((upper - lower) / pixel, 0, 1)
