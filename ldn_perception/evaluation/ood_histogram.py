# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of foreign probability in memory that does not grow with the number of pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.ood import REQUIRED_TRUE_POSITIVE_RATE, OodMetrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHIFT = 10  # of the 23 bits of a float32's mantissa: what a bin does not tell apart
NUM_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class OodHistogram:
    """Foreign probabilities of foreign and known pixels, counted in a million bins each.

    The bits of a non-negative float32, read as an integer, are ordered like the number; the
    upper ones are the bin, so a bin is 1/8192 of its values wide. The metrics are those of
    `OodScores` with all values of a bin tied. Counts add up exactly, in any order. It takes
    16 MB.
    """

    def __init__(self) -> None:
        self.foreign: NDArray[np.int64] = np.zeros(NUM_BINS, np.int64)
        """(bins,) foreign pixels by rising probability."""
        self.known: NDArray[np.int64] = np.zeros(NUM_BINS, np.int64)
        """(bins,) other valid pixels."""

    def accumulate(
        self, probability: NDArray[np.float32], foreign: NDArray[np.bool_],
        valid: NDArray[np.bool_],
    ) -> None:
        """Add the pixels of one image.

        Args:
            probability: (H, W) float32 in [0, 1]; rounding may carry it a little beyond 1.
            foreign: (H, W) bool, True on foreign objects.
            valid: (H, W) bool, False where the ground truth is ignored.

        Raises:
            EvaluationError: The shapes differ, or a valid value is not a probability.
        """
        if not probability.shape == foreign.shape == valid.shape:
            raise EvaluationError(
                'foreign and valid mask', must_be=f'{probability.shape} as the probabilities',
                got=f'{foreign.shape} and {valid.shape}', do='give one truth value a pixel')
        for counts, chosen in ((self.foreign, valid & foreign), (self.known, valid & ~foreign)):
            found = np.bincount(_bins(probability[chosen]))
            counts[:found.size] += found

    def __iadd__(self, other: OodHistogram) -> OodHistogram:
        """Pixels of another set too."""
        self.foreign += other.foreign
        self.known += other.known
        return self

    def metrics(self) -> OodMetrics:
        """Average precision, AUROC, FPR95 and best F1 of everything added so far.

        Thresholds are the lower ends of bins.
        """
        num_foreign, num_known = int(self.foreign.sum()), int(self.known.sum())
        if not num_foreign or not num_known:
            nan = math.nan
            return OodMetrics(nan, nan, nan, nan, nan, nan, num_foreign, num_known)
        bins = np.flatnonzero(self.foreign | self.known)[::-1]  # highest probability first
        foreign, known = self.foreign[bins], self.known[bins]
        true_positives, false_positives = np.cumsum(foreign), np.cumsum(known)
        precision = true_positives / (true_positives + false_positives)
        first = int(np.argmax(true_positives / num_foreign >= REQUIRED_TRUE_POSITIVE_RATE))
        f1 = 2 * true_positives / (true_positives + false_positives + num_foreign)
        best = int(np.argmax(f1))
        below = num_known - false_positives + known / 2
        return OodMetrics(
            average_precision=float(np.sum(precision * foreign) / num_foreign),
            auroc=float(np.sum(below * foreign) / num_foreign / num_known),
            fpr95=float(false_positives[first] / num_known),
            threshold95=_lower_end(bins[first]),
            best_f1=float(f1[best]),
            best_f1_threshold=_lower_end(bins[best]),
            foreign_pixels=num_foreign,
            known_pixels=num_known,
        )


def _bins(probability: NDArray[np.float32]) -> NDArray[np.uint32]:
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1 + 1e-5):
        raise EvaluationError(
            'foreign probability', must_be='in [0, 1]',
            got=f'{probability.min()} to {probability.max()}', do='check the weights')
    clipped = np.minimum(probability.astype(np.float32), np.float32(1)) + np.float32(0)
    return np.asarray(clipped.view(np.uint32) >> _SHIFT, np.uint32)


def _lower_end(bin_number: int) -> float:
    return float((np.uint32(bin_number) << np.uint32(_SHIFT)).view(np.float32))
