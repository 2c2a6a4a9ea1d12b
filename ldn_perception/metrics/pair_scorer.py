# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of results against ground truth, as integer counts that add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood import NUM_BINS, OodHistogram
from ldn_perception.metrics.segmentation import ConfusionMatrix, category_iou
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.types import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy import Taxonomy

OOD_OUTPUTS = ('foreign_probability', 'ood_mask')


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """Class lists and outputs to compare.

    Attributes:
        truth: Class list of the ground-truth labels.
        network: Class list of the result labels.
        ood_output: Result compared with the ground truth of foreign objects.
    """

    truth: Taxonomy
    network: Taxonomy
    ood_output: str = OOD_OUTPUTS[0]

    def result_of(self, truth: str) -> str:
        """Name of the result that corresponds to a ground truth: labels, foreign or disparity."""
        return self.ood_output if truth == 'foreign' else truth


@dataclass(slots=True)
class PairScores:
    """Counts of any number of pairs.

    Attributes:
        confusion: Confusion of the driving classes of the ground truth.
        ood: Foreign probability of foreign and known pixels.
        stereo: Disparity errors.
        compared: Names of the ground truth compared so far: labels, foreign, disparity.
    """

    confusion: ConfusionMatrix
    ood: OodHistogram = field(default_factory=OodHistogram)
    stereo: StereoScores = field(default_factory=StereoScores)
    compared: frozenset[str] = frozenset()

    def __iadd__(self, other: PairScores) -> PairScores:
        """Add the counts of other pairs, exactly as if they had been scored here.

        Raises:
            EvaluationError: The numbers of classes differ.
        """
        self.confusion += other.confusion
        if 'foreign' in other.compared:
            self.ood += other.ood
        self.stereo += other.stereo
        self.compared |= other.compared
        return self

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Counts as arrays; only the non-empty bins of the histograms."""
        arrays: dict[str, NDArray[Any]] = {
            'confusion': self.confusion.counts, 'disparity': self.stereo.counts,
            'compared': np.array(sorted(self.compared), np.str_)}
        for name, counts in (('foreign', self.ood.foreign), ('known', self.ood.known)):
            bins = np.flatnonzero(counts)
            arrays[f'{name}_bins'] = bins.astype(np.int64)
            arrays[f'{name}_counts'] = counts[bins]
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PairScores:
        """Restore counts from `to_arrays`."""
        scores = cls(
            ConfusionMatrix(len(arrays['confusion'])),
            compared=frozenset(map(str, arrays['compared'])))
        scores.confusion.counts = np.array(arrays['confusion'], np.int64)
        scores.stereo.counts[:] = arrays['disparity']
        for name in ('foreign', 'known'):
            counts = np.zeros(NUM_BINS, np.int64)
            counts[arrays[f'{name}_bins']] = arrays[f'{name}_counts']
            setattr(scores.ood, name, counts)
        return scores

    def to_json(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Scores as JSON values; shares in [0, 1], None without ground truth.

        Args:
            taxonomy: Class list of the ground truth.
        """
        ood = self.ood.metrics()
        return {
            'segmentation': segmentation_to_json(self.confusion, taxonomy)
            if self.confusion.class_pixels.any() else None,
            'ood': plain(asdict(ood)) if ood.foreign_pixels else None,
            'disparity': plain(self.stereo.to_json()) if self.stereo.valid_pixels else None,
        }


class PairScorer:
    """Scorer of results against ground truth, pair by pair.

    A result class is translated to the ground-truth driving class whose set contains it: the one
    with the smallest id if there are several, 255 if there is none.

    Args:
        task: Class lists and outputs to compare.
        totals: Initial counts; changed in place.

    Attributes:
        totals: Counts of all pairs.

    Raises:
        TaxonomyError: There is no mapping between the two class lists.
    """

    def __init__(self, task: ScoringTask, totals: PairScores | None = None) -> None:
        self._task = task
        self._num_classes = task.truth.num_driving
        self.totals = totals or PairScores(ConfusionMatrix(self._num_classes))
        self._true_ids = np.full(256, UNLABELLED, np.uint8)
        sets = label_mapping(task.truth, task.network).table[:self._num_classes]
        for class_id in reversed(range(len(sets))):
            self._true_ids[np.flatnonzero(sets[class_id])] = class_id

    def add(
        self, results: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]],
    ) -> PairScores:
        """Score the outputs of a pair that have both a result and ground truth.

        With label ground truth, pixels that are neither labelled nor foreign are excluded from the
        OOD scores.

        Args:
            results: labels (H, W) uint8; foreign_probability (H, W) float32, or ood_mask (H, W)
                uint8, 0 or 255; disparity (H, W) float32 [px], NaN where unknown.
            truth: labels (H, W) uint8, 255 = ignored; foreign (H, W) bool; disparity (H, W)
                float32 [px], NaN where unknown.

        Returns:
            Counts of this pair.

        Raises:
            EvaluationError: Sizes or types differ, or a label is not a driving class of the ground
                truth; the pair is then not counted.
        """
        _check_sizes(results, truth)
        own = PairScores(ConfusionMatrix(self._num_classes), compared=frozenset(
            name for name in truth if self._task.result_of(name) in results))
        if 'labels' in own.compared:
            own.confusion.accumulate(self.translate(results['labels']), truth['labels'])
        if 'foreign' in own.compared:
            score, foreign = results[self._task.ood_output], truth['foreign']
            known = foreign | (truth['labels'] != UNLABELLED if 'labels' in truth else True)
            if score.dtype == np.uint8:
                score = (score > 0).astype(np.float32)
            own.ood.accumulate(score, foreign, known)
        if 'disparity' in own.compared:
            own.stereo.accumulate(results['disparity'], truth['disparity'])
        self.totals += own
        return own

    def translate(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translate result labels to ground-truth classes, 255 = none."""
        return np.asarray(self._true_ids[labels], np.uint8)


def _check_sizes(
    results: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]],
) -> None:
    shapes = {image.shape for image in (*results.values(), *truth.values())}
    if len(shapes) > 1:
        named = ', '.join(
            f'{kind} {name} {image.shape[1]}x{image.shape[0]}'
            for kind, images in (('published', results), ('true', truth))
            for name, image in images.items())
        raise EvaluationError(
            'results and ground truth of one stamp', must_be='images of one size', got=named,
            do='record ground truth at the size of the left image')


def segmentation_to_json(confusion: ConfusionMatrix, taxonomy: Taxonomy) -> dict[str, Any]:
    """Segmentation scores as JSON values; shares in [0, 1], None without ground truth.

    Args:
        confusion: Counts of the driving classes.
        taxonomy: Names and categories of the classes.
    """
    categories = category_iou(confusion, taxonomy)
    return dict(plain({
        'mean_iou': confusion.mean_iou,
        'pixel_accuracy': confusion.pixel_accuracy,
        'mean_category_iou': mean_of_present(categories.values()),
        'labelled_pixels': int(confusion.counts.sum()),
        'iou': class_iou(confusion, taxonomy),
        'category_iou': categories,
        'confusion': confusion.counts.tolist(),
    }))


def class_iou(confusion: ConfusionMatrix, taxonomy: Taxonomy) -> dict[str, float]:
    """IoU by driving class, in [0, 1]; NaN for a class without ground truth."""
    names = taxonomy.class_names[:taxonomy.num_driving]
    return dict(zip(names, confusion.iou().tolist(), strict=True))


def mean_of_present(values: Any) -> float:
    """Mean of the values that are not NaN; NaN without any."""
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def plain(value: Any) -> Any:
    """Convert a value for JSON: NaN and infinity become None, keys become strings."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
