# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One published result against its ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.confusion import ConfusionMatrix
from ldn_perception.evaluation.ood_histogram import OodHistogram
from ldn_perception.evaluation.stereo import StereoScores
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.mappings import label_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy import Taxonomy

OOD_OUTPUTS = ('foreign_probability', 'ood_mask')


@dataclass(frozen=True, slots=True)
class LiveTask:
    """What is compared with what.

    Attributes:
        truth: Classes of the ground-truth labels.
        network: Classes of the published labels.
        ood_output: Which result is held against the ground truth of foreign objects.
    """

    truth: Taxonomy
    network: Taxonomy
    ood_output: str = OOD_OUTPUTS[0]

    def result_of(self, truth: str) -> str:
        """Name of the result that answers a ground truth: labels, foreign or disparity."""
        return self.ood_output if truth == 'foreign' else truth


class LabelTable:
    """Turns published ids into the classes of the ground truth.

    A published class becomes the driving class of the ground truth whose set it is in, the one
    with the smallest id where there are several, and 255 where there is none.

    Args:
        task: Both class lists.

    Raises:
        TaxonomyError: Nothing is known of this pair of class lists.
    """

    def __init__(self, task: LiveTask) -> None:
        sets = label_mapping(task.truth, task.network).table[:task.truth.num_driving]
        self._ids = np.full(256, UNLABELLED, np.uint8)
        for class_id in reversed(range(len(sets))):
            self._ids[np.flatnonzero(sets[class_id])] = class_id

    def translate(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W) uint8 ids of the ground truth's classes, 255 = none of them."""
        return np.asarray(self._ids[labels], np.uint8)


class LiveFrameScores:
    """Scores of a pass, and of each of its frames.

    Args:
        task: What is compared with what.

    Attributes:
        confusion: Of the driving classes of the ground truth.
        ood: Of the foreign output.
        stereo: Of the disparity.
    """

    def __init__(self, task: LiveTask) -> None:
        self._task = task
        self._table = LabelTable(task)
        self.confusion = ConfusionMatrix(task.truth.num_driving)
        self.ood = OodHistogram()
        self.stereo = StereoScores()

    def accumulate(
        self, results: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]],
    ) -> dict[str, float]:
        """Add a frame, whatever of it has a result as well as ground truth.

        Args:
            results: labels (H, W) uint8; foreign_probability (H, W) float32, or ood_mask (H, W)
                uint8, 0 or 255; disparity (H, W) float32 [px], NaN where unknown.
            truth: labels (H, W) uint8, 255 = ignored; foreign (H, W) bool; disparity (H, W)
                float32 [px], NaN where unknown.

        Returns:
            Scores of this frame alone, by name; empty if there was nothing to compare.

        Raises:
            EvaluationError: Sizes or types differ.
        """
        _check_sizes(results, truth)
        comparable = {
            name for name in truth if self._task.result_of(name) in results}
        found: dict[str, float] = {}
        if 'labels' in comparable:
            found |= self._add_labels(results['labels'], truth['labels'])
        if 'foreign' in comparable:
            self._add_foreign(results[self._task.ood_output], truth)
            found['foreign_share'] = float(truth['foreign'].mean())
        if 'disparity' in comparable:
            found |= self._add_disparity(results['disparity'], truth['disparity'])
        return found

    def _add_labels(
        self, labels: NDArray[np.uint8], truth: NDArray[np.uint8],
    ) -> dict[str, float]:
        own = ConfusionMatrix(self.confusion.num_classes)
        own.accumulate(self._table.translate(labels), truth)
        self.confusion += own
        return {'mean_iou': own.mean_iou, 'pixel_accuracy': own.pixel_accuracy}

    def _add_foreign(self, score: NDArray[Any], truth: Mapping[str, NDArray[Any]]) -> None:
        foreign = truth['foreign']
        labels = truth.get('labels')
        valid = np.ones_like(foreign) if labels is None else foreign | (labels != UNLABELLED)
        if score.dtype == np.uint8:
            score = (score > 0).astype(np.float32)
        self.ood.accumulate(score, foreign, valid)

    def _add_disparity(
        self, disparity: NDArray[np.float32], truth: NDArray[np.float32],
    ) -> dict[str, float]:
        own = StereoScores()
        own.accumulate(disparity, truth)
        self.stereo.accumulate(disparity, truth)
        return {'d1': own.d1_all, 'disparity_density': own.density}


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
