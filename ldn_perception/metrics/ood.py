# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pixel scores of out-of-distribution detection, exact and from histograms."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

REQUIRED_TRUE_POSITIVE_RATE = 0.95


@dataclass(frozen=True, slots=True)
class OodMetrics:
    """Scores of all valid pixels of a set, pooled.

    Attributes:
        average_precision: Step sum of precision over recall, in [0, 1].
        auroc: Area under the receiver operating characteristic, in [0, 1].
        fpr95: False positive rate at the highest threshold with a true positive rate of at least
            0.95; in [0, 1].
        threshold95: Threshold of fpr95; a pixel is foreign at score >= threshold.
        best_f1: Largest F1 over all thresholds, in [0, 1].
        best_f1_threshold: Highest threshold with that F1.
        foreign_pixels: Number of foreign pixels.
        known_pixels: Number of pixels that are not foreign.

    The scores are NaN without foreign pixels or without known pixels.
    """

    average_precision: float
    auroc: float
    fpr95: float
    threshold95: float
    best_f1: float
    best_f1_threshold: float
    foreign_pixels: int
    known_pixels: int


@dataclass(frozen=True, slots=True)
class OodCurve:
    """Rates at decreasing thresholds.

    Attributes:
        thresholds: (N,) float32.
        recall: (N,) float64, share of the foreign pixels at or above the threshold (true positive
            rate).
        precision: (N,) float64, share of foreign pixels among those at or above the threshold.
        false_positive_rate: (N,) float64, share of the known pixels at or above the threshold.
    """

    thresholds: NDArray[np.float32]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    false_positive_rate: NDArray[np.float64]


class OodScores:
    """Foreign scores of every valid pixel of a set, stored as float32 (four bytes per pixel).

    There are no bins, so the metrics are exact for float32 scores, ties included.

    Source: definitions of Fishyscapes (Blum et al., IJCV 2021) and SegmentMeIfYouCan (Chan et
    al., NeurIPS 2021).
    """

    def __init__(self) -> None:
        self._foreign: list[NDArray[np.float32]] = []
        self._known: list[NDArray[np.float32]] = []

    def accumulate(
        self,
        scores: NDArray[np.float32],
        foreign: NDArray[np.bool_],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Add the pixels of one image.

        Args:
            scores: (H, W) float32, higher means more foreign.
            foreign: (H, W) bool, True on foreign objects.
            valid: (H, W) bool, False where the ground truth is ignored; None = all valid.

        Raises:
            EvaluationError: Shapes or dtypes differ, or a valid score is not finite.
        """
        valid = np.ones(foreign.shape, np.bool_) if valid is None else valid
        for name, mask in (('foreign mask', foreign), ('valid mask', valid)):
            if mask.shape != scores.shape or mask.dtype != np.bool_:
                raise EvaluationError(
                    name, must_be=f'{scores.shape} bool as the scores',
                    got=f'{mask.shape} {mask.dtype}', do='give one truth value a pixel',
                )
        if not np.isfinite(scores[valid]).all():
            raise EvaluationError(
                'foreign scores', must_be='finite', got='NaN or infinity',
                do='mark such pixels invalid or repair the score',
            )
        self._foreign.append(scores[valid & foreign].astype(np.float32))
        self._known.append(scores[valid & ~foreign].astype(np.float32))

    def __add__(self, other: OodScores) -> OodScores:
        """Union of the pixels of both sets."""
        merged = OodScores()
        merged._foreign = self._foreign + other._foreign
        merged._known = self._known + other._known
        return merged

    def metrics(self) -> OodMetrics:
        """Average precision, AUROC, FPR95 and best F1 of all pixels added.

        Recall changes only at the scores of foreign pixels, so these are the only thresholds that
        affect the step sum, the 95 % point and the best F1.
        """
        foreign = np.sort(_pool(self._foreign))
        known = np.sort(_pool(self._known))
        if not foreign.size or not known.size:
            nan = math.nan
            return OodMetrics(nan, nan, nan, nan, nan, nan, foreign.size, known.size)
        thresholds, tied = np.unique(foreign, return_counts=True)
        true_positives = np.cumsum(tied[::-1])[::-1]
        false_positives = known.size - np.searchsorted(known, thresholds, side='left')
        strictly_above = known.size - np.searchsorted(known, thresholds, side='right')

        precision = true_positives / (true_positives + false_positives)
        wins = known.size - (false_positives + strictly_above) / 2
        reached = true_positives / foreign.size >= REQUIRED_TRUE_POSITIVE_RATE
        first = int(np.flatnonzero(reached)[-1])
        f1 = 2 * true_positives / (true_positives + false_positives + foreign.size)
        best = f1.size - 1 - int(np.argmax(f1[::-1]))
        return OodMetrics(
            average_precision=float(np.sum(precision * tied) / foreign.size),
            auroc=float(np.sum(wins * tied) / foreign.size / known.size),
            fpr95=float(false_positives[first] / known.size),
            threshold95=float(thresholds[first]),
            best_f1=float(f1[best]),
            best_f1_threshold=float(thresholds[best]),
            foreign_pixels=foreign.size,
            known_pixels=known.size,
        )

    def curve(self, max_points: int = 1000) -> OodCurve:
        """Rates for a plot, at thresholds spread evenly over the foreign pixels.

        Args:
            max_points: Maximum number of thresholds, at least 2; the lowest and the highest score
                of a foreign pixel are always included.

        Returns:
            The curve; empty without foreign pixels or without known pixels.
        """
        foreign = np.sort(_pool(self._foreign))[::-1]
        known = np.sort(_pool(self._known))
        if not foreign.size or not known.size:
            empty = np.empty(0)
            return OodCurve(np.empty(0, np.float32), empty, empty, empty)
        positions = np.linspace(0, foreign.size - 1, min(max_points, foreign.size)).astype(int)
        thresholds = np.unique(foreign[positions])[::-1]
        true_positives = foreign.size - np.searchsorted(foreign[::-1], thresholds, side='left')
        false_positives = known.size - np.searchsorted(known, thresholds, side='left')
        return OodCurve(
            thresholds, true_positives / foreign.size,
            true_positives / (true_positives + false_positives), false_positives / known.size)


def _pool(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.empty(0, np.float32)


_SHIFT = 10  # mantissa bits (of 23 in a float32) ignored by the binning
NUM_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class OodHistogram:
    """Histograms of the foreign probability of foreign and of known pixels.

    The bits of a non-negative float32, read as an integer, are ordered like the number; the upper
    bits are the bin index, so the relative width of the million bins is 1/8192. The metrics are
    those of `OodScores` with all values of a bin tied. Counts add up exactly, in any order. Both
    histograms take 16 MB.
    """

    def __init__(self) -> None:
        self.foreign: NDArray[np.int64] = np.zeros(NUM_BINS, np.int64)
        """(bins,) foreign pixels by increasing probability."""
        self.known: NDArray[np.int64] = np.zeros(NUM_BINS, np.int64)
        """(bins,) known pixels by increasing probability."""

    def accumulate(
        self, probability: NDArray[np.float32], foreign: NDArray[np.bool_],
        valid: NDArray[np.bool_],
    ) -> None:
        """Add the pixels of one image.

        Args:
            probability: (H, W) float32 in [0, 1]; rounding errors above 1 are accepted.
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
        """Add the pixels of another set."""
        self.foreign += other.foreign
        self.known += other.known
        return self

    def metrics(self) -> OodMetrics:
        """Average precision, AUROC, FPR95 and best F1 of all pixels added.

        Thresholds are the lower ends of the bins.
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
