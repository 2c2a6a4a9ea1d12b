# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a confidence of 0.8 is right eight times in ten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """What is known of each bin of confidence, from the lowest up.

    Attributes:
        pixels: (M,) int64.
        accuracy: (M,) float64, part of the pixels that are right; NaN for an empty bin.
        confidence: (M,) float64, mean confidence; NaN for an empty bin.
    """

    pixels: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    confidence: NDArray[np.float64]


class CalibrationError:
    """Expected calibration error of all pixels of a set, pooled.

    Bin m of M holds the confidences in ((m - 1) / M, m / M]; the first also holds 0. The error
    is the mean over the pixels of |accuracy - mean confidence| of their bin.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3, with M = 15.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros(NUM_BINS, np.int64)
        self._right = np.zeros(NUM_BINS, np.int64)
        self._confidence = np.zeros(NUM_BINS)

    def accumulate(self, confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> None:
        """Add pixels.

        Args:
            confidence: (N,) float32 in [0, 1], probability of what was predicted.
            right: (N,) bool, whether the prediction is right.

        Raises:
            EvaluationError: The two differ in shape, or a confidence is not in [0, 1].
        """
        if confidence.shape != right.shape:
            raise EvaluationError(
                'confidence', must_be=f'{right.shape} as the predictions', got=confidence.shape,
                do='give one of each a pixel')
        values = confidence.astype(np.float64)
        if values.size and not (values.min() >= 0 and values.max() <= 1 + 1e-5):
            raise EvaluationError(
                'confidence', must_be='in [0, 1]', got=f'{values.min()} to {values.max()}',
                do='give probabilities')
        bins = np.clip(np.ceil(values * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
        self._pixels += np.bincount(bins, minlength=NUM_BINS)
        self._right += np.bincount(bins[right], minlength=NUM_BINS)
        self._confidence += np.bincount(bins, values, NUM_BINS)

    @property
    def value(self) -> float:
        """Expected calibration error in [0, 1]; NaN without pixels."""
        total = int(self._pixels.sum())
        return float(np.abs(self._right - self._confidence).sum()) / total if total else (
            float('nan'))

    @property
    def bins(self) -> ReliabilityBins:
        """The bins, for a reliability diagram."""
        filled = np.where(self._pixels > 0, self._pixels, np.nan)
        return ReliabilityBins(
            self._pixels.copy(), self._right / filled, self._confidence / filled)
