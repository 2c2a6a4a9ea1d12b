# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Everything a replay counts, in whole numbers, so that parts of it add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.evaluation.category_iou import category_iou
from ldn_perception.evaluation.confusion import ConfusionMatrix
from ldn_perception.evaluation.ood_histogram import NUM_BINS, OodHistogram
from ldn_perception.evaluation.stereo import StereoScores
from ldn_perception.frames import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.bags.stereo_sample import StereoSample
    from ldn_perception.frames import PerceptionResult
    from ldn_perception.taxonomy import Taxonomy

_STEPS_PER_PX = 1 << 16


@dataclass(frozen=True, slots=True)
class DisparityCounts:
    """Pixels of disparity ground truth.

    Attributes:
        valid: With ground truth.
        matched: With an estimate too.
        outliers: Of these, off by > 3 px and > 5 %.
        error_steps: Sum of the errors of the matched pixels [1/65536 px].
    """

    valid: int = 0
    matched: int = 0
    outliers: int = 0
    error_steps: int = 0

    @classmethod
    def from_pair(
        cls, disparity: NDArray[np.float32], truth: NDArray[np.float32],
    ) -> DisparityCounts:
        """Count one pair; (H, W) float32 [px], NaN where unknown.

        Raises:
            EvaluationError: The two differ in size.
        """
        scores = StereoScores()
        scores.accumulate(disparity, truth)
        return cls(
            scores.valid_pixels, scores.matched_pixels, scores.d1_outliers,
            round(scores.error_sum_px * _STEPS_PER_PX))

    def __add__(self, other: DisparityCounts) -> DisparityCounts:
        return DisparityCounts(
            self.valid + other.valid, self.matched + other.matched,
            self.outliers + other.outliers, self.error_steps + other.error_steps)

    @property
    def d1(self) -> float:
        """Part of the ground truth off by > 3 px and > 5 %, or without an estimate."""
        return _ratio(self.outliers + self.valid - self.matched, self.valid)

    def to_json(self) -> dict[str, Any]:
        """Parts in [0, 1] and pixels."""
        return {
            'd1_all': self.d1,
            'd1_matched': _ratio(self.outliers, self.matched),
            'density': _ratio(self.matched, self.valid),
            'end_point_error_px': _ratio(self.error_steps / _STEPS_PER_PX, self.matched),
            'valid_pixels': self.valid,
        }


@dataclass(frozen=True, slots=True)
class PairScores:
    """Counts of one pair; None where it has no such ground truth."""

    confusion: ConfusionMatrix | None = None
    ood: OodHistogram | None = None
    disparity: DisparityCounts | None = None

    def to_json(self) -> dict[str, float]:
        """Scores of the pair alone, as far as there is something to measure."""
        found: dict[str, float] = {}
        if self.confusion is not None:
            found['pixel_accuracy'] = self.confusion.pixel_accuracy
            found['miou'] = self.confusion.mean_iou
        if self.disparity is not None:
            found['d1'] = self.disparity.d1
        if self.ood is not None:
            found['ood_ap'] = self.ood.metrics().average_precision
        return {name: value for name, value in found.items() if not math.isnan(value)}


def score_pair(result: PerceptionResult, truth: StereoSample, num_driving: int) -> PairScores:
    """Score a result.

    Pixels that are neither labelled nor foreign in the ground truth say nothing about foreign
    probability where there are labels.

    Args:
        result: Of the pair.
        truth: The pair and its ground truth: ids of the driving classes of the network.
        num_driving: Their number.

    Raises:
        EvaluationError: The ground truth holds an id that is no driving class.
    """
    confusion = ood = disparity = None
    segmentation = result.segmentation
    if truth.labels is not None:
        confusion = ConfusionMatrix(num_driving)
        labels = segmentation.labels
        known = np.where(labels < num_driving, labels, np.uint8(UNLABELLED))
        confusion.accumulate(known, truth.labels)
    if truth.foreign is not None and segmentation.foreign_probability is not None:
        valid = np.ones_like(truth.foreign) if truth.labels is None else (
            truth.foreign | (truth.labels != UNLABELLED))
        ood = OodHistogram()
        ood.accumulate(segmentation.foreign_probability, truth.foreign, valid)
    if truth.disparity is not None and result.disparity is not None:
        disparity = DisparityCounts.from_pair(result.disparity.to_host(), truth.disparity)
    return PairScores(confusion, ood, disparity)


@dataclass(slots=True)
class ReplayScores:
    """Counts of any number of pairs: of a bag, or of several after `merge`.

    Attributes:
        confusion: Of the driving classes.
        ood: Foreign probability of foreign and known pixels.
        disparity: Errors of disparity.
    """

    confusion: ConfusionMatrix
    ood: OodHistogram = field(default_factory=OodHistogram)
    disparity: DisparityCounts = field(default_factory=DisparityCounts)

    def add(self, pair: PairScores) -> None:
        """Count one more pair."""
        if pair.confusion is not None:
            self.confusion += pair.confusion
        if pair.ood is not None:
            self.ood += pair.ood
        if pair.disparity is not None:
            self.disparity += pair.disparity

    def merge(self, other: ReplayScores) -> ReplayScores:
        """Counts of both, exactly as if one replay had made them.

        Raises:
            EvaluationError: They count different numbers of classes.
        """
        merged = ReplayScores(self.confusion + other.confusion)
        merged.ood += self.ood
        merged.ood += other.ood
        merged.disparity = self.disparity + other.disparity
        return merged

    def to_arrays(self) -> dict[str, NDArray[np.int64]]:
        """All counts; of the histograms the bins that hold a pixel."""
        arrays = {'confusion': self.confusion.counts}
        for name, counts in (('foreign', self.ood.foreign), ('known', self.ood.known)):
            bins = np.flatnonzero(counts)
            arrays[f'{name}_bins'] = bins.astype(np.int64)
            arrays[f'{name}_counts'] = counts[bins]
        disparity = self.disparity
        arrays['disparity'] = np.array([
            disparity.valid, disparity.matched, disparity.outliers, disparity.error_steps],
            np.int64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.int64]]) -> ReplayScores:
        """Take up what `to_arrays` has given."""
        scores = cls(ConfusionMatrix(len(arrays['confusion'])))
        scores.confusion.counts = np.array(arrays['confusion'], np.int64)
        for name in ('foreign', 'known'):
            counts = np.zeros(NUM_BINS, np.int64)
            counts[arrays[f'{name}_bins']] = arrays[f'{name}_counts']
            setattr(scores.ood, name, counts)
        scores.disparity = DisparityCounts(*map(int, arrays['disparity']))
        return scores

    def to_json(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Scores; parts in [0, 1], None where there is no ground truth."""
        ood = self.ood.metrics()
        return {
            'segmentation': _segmentation_to_json(self.confusion, taxonomy)
            if self.confusion.class_pixels.any() else None,
            'ood': {
                'average_precision': ood.average_precision, 'auroc': ood.auroc,
                'fpr95': ood.fpr95, 'threshold95': ood.threshold95, 'best_f1': ood.best_f1,
                'best_f1_threshold': ood.best_f1_threshold,
                'foreign_pixels': ood.foreign_pixels, 'known_pixels': ood.known_pixels,
            } if ood.foreign_pixels else None,
            'disparity': self.disparity.to_json() if self.disparity.valid else None,
        }


def _segmentation_to_json(confusion: ConfusionMatrix, taxonomy: Taxonomy) -> dict[str, Any]:
    names = taxonomy.class_names[:taxonomy.num_driving]
    categories = category_iou(confusion, taxonomy)
    present = [value for value in categories.values() if not math.isnan(value)]
    return {
        'mean_iou': confusion.mean_iou,
        'pixel_accuracy': confusion.pixel_accuracy,
        'mean_category_iou': sum(present) / len(present),
        'labelled_pixels': int(confusion.counts.sum()),
        'iou': dict(zip(names, confusion.iou().tolist(), strict=True)),
        'category_iou': categories,
        'confusion': confusion.counts.tolist(),
    }


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else math.nan
