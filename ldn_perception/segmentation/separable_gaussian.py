# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian filtering over the pixels of an image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
import math

import numba
import numpy as np
from numpy.typing import NDArray

TRUNCATION = 4.0
"""The kernel ends here [standard deviations]: 6e-5 of its sum lies beyond, along each axis."""


class SeparableGaussian:
    """Sums values over all pixels, weighted by a Gaussian of their distance.

    out_i = sum_j k_ij / sqrt(z_i z_j) in_j with k_ij = exp(-|p_i - p_j|^2 / (2 theta^2)) and
    z_i = sum_j k_ij, where j = i takes part and pixels outside the image do not.

    Args:
        shape: Height and width of the image [px].
        standard_deviation_px: theta, > 0 [px].
        pool: Threads that share the rows.
        num_parts: Parts the rows are cut into; the result does not depend on it.
    """

    def __init__(
        self, shape: tuple[int, int], standard_deviation_px: float, pool: ThreadPoolExecutor,
        num_parts: int,
    ) -> None:
        radius = math.ceil(TRUNCATION * standard_deviation_px)
        distances = np.arange(-radius, radius + 1) / standard_deviation_px
        taps = np.exp(-distances**2 / 2)
        self._shape = shape
        self._taps = taps.astype(np.float32)
        self._row_factors, self._column_factors = (
            _normalisation(size, taps).astype(np.float32) for size in shape)
        self._pool = pool
        self._bounds = np.linspace(0, shape[0], num_parts + 1).astype(np.int64)

    def filter(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter several quantities of every pixel.

        Args:
            values: (H W, C) float32, contiguous, row by row.

        Returns:
            (H W, C) float32.
        """
        source = values.reshape(self._shape[0], -1)
        filtered = np.empty_like(source)

        def filter_rows(first: int, last: int) -> None:
            _filter_rows(first, last, source, self._taps, self._row_factors,
                         self._column_factors, filtered)

        for _ in self._pool.map(filter_rows, self._bounds[:-1], self._bounds[1:]):
            pass
        return filtered.reshape(values.shape)


def _normalisation(size: int, taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / sqrt(z) along one axis; z is the product of its two axes."""
    radius = taps.size // 2
    return 1 / np.sqrt(np.convolve(np.ones(size), taps)[radius:radius + size])


@numba.njit(nogil=True, cache=True, fastmath={'contract'})
def _filter_rows(  # type: ignore[no-untyped-def]
    first, last, source, taps, row_factors, column_factors, filtered,
):
    height, length = source.shape
    radius, num_channels = taps.size // 2, length // column_factors.size
    margin = radius * num_channels
    row = np.zeros(length + 2 * margin, np.float32)
    factors = np.repeat(column_factors, num_channels)
    for y in range(first, last):
        inner = row[margin:margin + length]
        inner[:] = 0
        for other in range(max(0, y - radius), min(height, y + radius + 1)):
            weight = taps[other - y + radius] * row_factors[y] * row_factors[other]
            for i in range(length):
                inner[i] += weight * source[other, i]
        inner *= factors
        filtered[y] = 0
        for tap in range(taps.size):
            weight, shifted = taps[tap], row[tap * num_channels:tap * num_channels + length]
            for i in range(length):
                filtered[y, i] += weight * shifted[i]
        filtered[y] *= factors
