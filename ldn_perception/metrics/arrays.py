# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as plain functions of arrays, for one image or pooled over a set.

Arguments are one array or a sequence of arrays. A sequence is scored as one set: pixels are
counted over all images before any division.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood import OodMetrics, OodScores
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.metrics.stereo import StereoScores

Arrays = Union['NDArray[Any]', Sequence['NDArray[Any]']]
"""One array, or one array per image of a set."""


def confusion(labels: Arrays, truth: Arrays, num_classes: int) -> ConfusionMatrix:
    """Confusion matrix of predicted and true classes.

    Args:
        labels: (H, W) uint8 class ids, 255 = unlabelled.
        truth: (H, W) uint8 class ids below num_classes, 255 = ignored.
        num_classes: Number of evaluated classes, 1 to 255.

    Raises:
        EvaluationError: Shapes, types or ids are invalid.
    """
    matrix = ConfusionMatrix(num_classes)
    for predicted, true in _pairs(labels, truth):
        matrix.accumulate(predicted, true)
    return matrix


def mean_iou(labels: Arrays, truth: Arrays, num_classes: int) -> float:
    """Mean intersection over union of the classes present in the ground truth, in [0, 1].

    Args:
        labels: See `confusion`.
        truth: See `confusion`.
        num_classes: See `confusion`.

    Returns:
        The score; NaN without a labelled pixel.

    Raises:
        EvaluationError: See `confusion`.
    """
    return confusion(labels, truth, num_classes).mean_iou


def pixel_accuracy(labels: Arrays, truth: Arrays, num_classes: int) -> float:
    """Share of correct labelled pixels, in [0, 1]; see `mean_iou`."""
    return confusion(labels, truth, num_classes).pixel_accuracy


def ood_scores(
    foreign_probability: Arrays, foreign: Arrays, valid: Arrays | None = None,
) -> OodMetrics:
    """Average precision, AUROC, FPR95 and best F1 of out-of-distribution scores.

    Args:
        foreign_probability: (H, W) float32, higher means more foreign.
        foreign: (H, W) bool, True on foreign objects.
        valid: (H, W) bool, False where the ground truth is ignored; None = all valid.

    Raises:
        EvaluationError: Shapes or types differ from the above, or a valid score is not finite.
    """
    scores = OodScores()
    masks: Arrays = foreign if valid is None else valid
    for (score, mask), (_, known) in zip(
            _pairs(foreign_probability, foreign), _pairs(foreign, masks), strict=True):
        scores.accumulate(score, mask, None if valid is None else known)
    return scores.metrics()


def disparity_errors(disparity: Arrays, truth: Arrays) -> StereoScores:
    """Disparity errors as defined by the KITTI and Middlebury benchmarks.

    Args:
        disparity: (H, W) float32 [px], NaN where there is no estimate.
        truth: (H, W) float32 [px], NaN where unknown.

    Returns:
        Scores with d1_all, end_point_error_px, density and others.

    Raises:
        EvaluationError: Shapes or types are invalid.
    """
    scores = StereoScores()
    for estimate, true in _pairs(disparity, truth):
        scores.accumulate(estimate, true)
    return scores


def _pairs(first: Arrays, second: Arrays) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    sets = [[part] if isinstance(part, np.ndarray) else list(part) for part in (first, second)]
    if len(sets[0]) != len(sets[1]):
        raise EvaluationError(
            'images of a set', must_be=f'{len(sets[1])} as its ground truth', got=len(sets[0]),
            do='give one array for each')
    return zip(*sets, strict=True)
