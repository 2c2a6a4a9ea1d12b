# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Logits that are not finite, and the pixels that depend on them.

A pixel is interpolated from the logits of four cells. If one of them holds a NaN or an infinity
in any class, the pixel has no class and is out of distribution, whatever the decoder computed.
In host memory one pass over the logits finds out whether there is such a cell.
"""


from __future__ import annotations

from dataclasses import replace
import math

import numba
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.decoding.cell_labels import cell_axis
from ldn_perception.types import UNLABELLED, Segmentation

LARGEST_LOGIT = 2.0 ** 120
"""Magnitude from which a logit counts as infinite: below it, float32 interpolation cannot
overflow."""


def finite_cells(logits: torch.Tensor) -> torch.Tensor:
    """Find the cells whose logits are finite in all classes.

    Args:
        logits: (C, h, w) float, on any device.

    Returns:
        (h, w) bool on the same device.
    """
    return (logits.float().abs() < LARGEST_LOGIT).all(0)


def find_non_finite(logits: torch.Tensor) -> NDArray[np.bool_] | None:
    """Find the cells with non-finite logits; for logits in host memory.

    Args:
        logits: (C, h, w) float.

    Returns:
        (h, w) bool, see `finite_cells`; None if all logits are finite.
    """
    values = logits.detach().float().numpy().ravel(order='K')  # no copy in either memory layout
    if math.isfinite(_sum_squares(values)):
        return None
    return np.asarray(finite_cells(logits.detach()).numpy())


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz', 'reassoc'})
def _sum_squares(values):  # type: ignore[no-untyped-def]
    """Sum of squares: finite only if all values are, since squares cannot cancel."""
    total = np.float32(0)
    for n in range(values.size):
        total += values[n] * values[n]
    return total


def mark_non_finite(
    segmentation: Segmentation, is_finite: NDArray[np.bool_] | None,
) -> Segmentation:
    """Replace the pixels that depend on a cell with non-finite logits, and count them.

    They get label 255, confidence 0 and foreign probability 1, and are in the mask at every
    threshold and label policy.

    Args:
        segmentation: Decoded logits.
        is_finite: (h, w) bool, see `finite_cells`; None if all cells are finite.
    """
    if is_finite is None or is_finite.all():
        return segmentation
    height, width = segmentation.labels.shape
    rows, columns = cell_axis(is_finite.shape[0], height), cell_axis(is_finite.shape[1], width)
    in_rows = is_finite[rows.first] & is_finite[rows.second]
    is_unknown = ~(in_rows[:, columns.first] & in_rows[:, columns.second])
    values = {
        'labels': UNLABELLED, 'ood_mask': True, 'confidence': 0.0, 'foreign_probability': 1.0}
    planes = {}
    for name, value in values.items():
        plane = getattr(segmentation, name)
        if plane is not None:
            planes[name] = np.where(is_unknown, plane.dtype.type(value), plane)
    return replace(
        segmentation, **planes, num_non_finite=int(np.count_nonzero(is_unknown)))
