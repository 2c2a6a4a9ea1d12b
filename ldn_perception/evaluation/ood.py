# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How well a per-pixel score separates foreign objects from what the model has learned."""

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
        fpr95: False positive rate at the first threshold, from the highest down, with a true
            positive rate of at least 0.95; in [0, 1].
        threshold95: That threshold; a pixel is called foreign at score >= threshold.
        foreign_pixels: Number of foreign pixels.
        known_pixels: Number of pixels that are not foreign.

    The scores are NaN where there are no foreign or no other pixels.
    """

    average_precision: float
    auroc: float
    fpr95: float
    threshold95: float
    foreign_pixels: int
    known_pixels: int


class OodScores:
    """Foreign scores of every valid pixel of a set, kept as float32: four bytes a pixel.

    Nothing is binned, so the metrics are exact for float32 scores, ties included.

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
            EvaluationError: Shapes or dtypes differ from these, or a valid score is not finite.
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
        """Pixels of both sets together."""
        merged = OodScores()
        merged._foreign = self._foreign + other._foreign
        merged._known = self._known + other._known
        return merged

    def metrics(self) -> OodMetrics:
        """Average precision, AUROC and FPR95 of everything added so far.

        Recall changes only at scores that some foreign pixel has, so these are the only
        thresholds the step sum and the 95 % point depend on.
        """
        foreign = np.sort(_pool(self._foreign))
        known = np.sort(_pool(self._known))
        if not foreign.size or not known.size:
            nan = math.nan
            return OodMetrics(nan, nan, nan, nan, foreign.size, known.size)
        thresholds, tied = np.unique(foreign, return_counts=True)
        true_positives = np.cumsum(tied[::-1])[::-1]
        false_positives = known.size - np.searchsorted(known, thresholds, side='left')
        strictly_above = known.size - np.searchsorted(known, thresholds, side='right')

        precision = true_positives / (true_positives + false_positives)
        wins = known.size - (false_positives + strictly_above) / 2
        reached = true_positives / foreign.size >= REQUIRED_TRUE_POSITIVE_RATE
        first = int(np.flatnonzero(reached)[-1])
        return OodMetrics(
            average_precision=float(np.sum(precision * tied) / foreign.size),
            auroc=float(np.sum(wins * tied) / foreign.size / known.size),
            fpr95=float(false_positives[first] / known.size),
            threshold95=float(thresholds[first]),
            foreign_pixels=foreign.size,
            known_pixels=known.size,
        )


def _pool(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate(parts) if parts else np.empty(0, np.float32)
