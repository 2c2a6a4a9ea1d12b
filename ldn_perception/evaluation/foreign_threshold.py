# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The threshold of foreign probability that a wanted part of in-distribution pixels exceeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFT = 10  # of the 23 bits of a float32's mantissa: what a bin does not tell apart
_NUM_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class ForeignThreshold:
    """Histogram of the foreign probabilities of any number of in-distribution pixels.

    Its million bins are as wide as 1/8192 of the values in them: the bits of a non-negative
    float32, read as an integer, are ordered like the number, and the upper ones are the bin.
    It takes 8 MB however many pixels come.
    """

    def __init__(self) -> None:
        self._bins = np.zeros(_NUM_BINS, np.int64)

    def accumulate(self, probability: NDArray[np.float32]) -> None:
        """Add in-distribution pixels.

        Args:
            probability: (N,) float32 in [0, 1]; rounding may carry it a little beyond 1.

        Raises:
            EvaluationError: A value is not a probability.
        """
        if probability.size and not (probability.min() >= 0 and probability.max() <= 1 + 1e-5):
            raise EvaluationError(
                'foreign probability', must_be='in [0, 1]',
                got=f'{probability.min()} to {probability.max()}', do='check the weights')
        clipped = np.minimum(probability.astype(np.float32), np.float32(1)) + np.float32(0)
        bins = np.bincount(clipped.view(np.uint32) >> _SHIFT, minlength=_NUM_BINS)
        self._bins += bins

    @property
    def pixels(self) -> int:
        """Number of pixels added so far."""
        return int(self._bins.sum())

    def at(self, false_positive_rate: float) -> tuple[float, float]:
        """Smallest threshold the histogram can tell that keeps to a false positive rate.

        Args:
            false_positive_rate: Wanted part of the pixels above the threshold, in (0, 1).

        Returns:
            The threshold, in [0, 1], and the part of the pixels with a probability above it,
            exact and at most the wanted one.

        Raises:
            EvaluationError: The rate is not in (0, 1), or there are no pixels.
        """
        if not 0 < false_positive_rate < 1:
            raise EvaluationError(
                'false positive rate', must_be='above 0 and below 1', got=false_positive_rate,
                do='ask for 0.05, for example')
        if not self.pixels:
            raise EvaluationError(
                'in-distribution pixels', must_be='one or more', got='none',
                do='calibrate on a dataset with driving classes')
        above = self.pixels - np.cumsum(self._bins)
        allowed = math.floor(false_positive_rate * self.pixels)
        bin_number = int(np.flatnonzero(above <= allowed)[0])
        return _upper_end(bin_number), int(above[bin_number]) / self.pixels


def _upper_end(bin_number: int) -> float:
    """Largest value of a bin, no more than 1."""
    bits = np.uint32(((bin_number + 1) << _SHIFT) - 1)
    return min(float(bits.view(np.float32)), 1.0)
