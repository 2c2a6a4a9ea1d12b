# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pixel counts of predicted against true classes, and the scores made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.frames import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ConfusionMatrix:
    """One confusion matrix over a whole set of images.

    Pixels whose ground truth is 255 are left out of everything, false positives included. A
    valid pixel predicted as 255 or as an id outside the evaluated classes is a false negative
    of its true class and a false positive of none.

    Source: the evaluation rules of the Cityscapes benchmark (Cordts et al., CVPR 2016).

    Args:
        num_classes: Number of evaluated classes C; their ids are 0 to C - 1.

    Raises:
        EvaluationError: There are no classes, or more than label ids.
    """

    def __init__(self, num_classes: int) -> None:
        if not 0 < num_classes <= UNLABELLED:
            raise EvaluationError(
                'number of classes', must_be=f'1 to {UNLABELLED}', got=num_classes,
                do='count the classes that are evaluated',
            )
        self.num_classes = num_classes
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes + 1), np.int64)
        """(C, C + 1) pixels of true class (row) predicted as class (column); the last column
        holds the predictions that are no evaluated class."""

    def accumulate(
        self, prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8]
    ) -> None:
        """Count the pixels of one image.

        Args:
            prediction: (H, W) uint8 class ids, 255 = unlabelled.
            ground_truth: (H, W) uint8 class ids below C, 255 = ignored.

        Raises:
            EvaluationError: The two are not uint8 images of one size, or the ground truth holds
                an id that is neither a class nor 255.
        """
        self._check(prediction, ground_truth)
        valid = ground_truth != UNLABELLED
        true_ids = ground_truth[valid].astype(np.int64)
        if true_ids.size and true_ids.max() >= self.num_classes:
            raise EvaluationError(
                'ground-truth ids', must_be=f'0 to {self.num_classes - 1} or {UNLABELLED}',
                got=int(true_ids.max()), do='map the labels to the evaluated taxonomy',
            )
        predicted_ids = np.minimum(prediction[valid], self.num_classes)
        columns = self.num_classes + 1
        pairs = np.bincount(true_ids * columns + predicted_ids, minlength=self.counts.size)
        self.counts += pairs.reshape(self.counts.shape)

    def _check(self, prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8]) -> None:
        for name, labels in (('prediction', prediction), ('ground truth', ground_truth)):
            if labels.ndim != 2 or labels.dtype != np.uint8:
                raise EvaluationError(
                    f'{name} labels', must_be='(H, W) uint8',
                    got=f'{labels.shape} {labels.dtype}', do='give one class id a pixel',
                )
        if prediction.shape != ground_truth.shape:
            raise EvaluationError(
                'prediction', must_be=f'{ground_truth.shape} as its ground truth',
                got=prediction.shape, do='predict at the size of the ground truth',
            )

    @property
    def class_pixels(self) -> NDArray[np.int64]:
        """(C,) int64, valid ground-truth pixels of every class."""
        return np.asarray(self.counts.sum(axis=1))

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union TP / (TP + FP + FN) of every class.

        Returns:
            (C,) float64 in [0, 1]; NaN for a class without a pixel in the ground truth.
        """
        true_positives = np.diagonal(self.counts)
        union = self.class_pixels + self.counts[:, :-1].sum(axis=0) - true_positives
        iou = np.full(self.num_classes, np.nan)
        np.divide(true_positives, union, out=iou, where=self.class_pixels > 0)
        return iou

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes present in the ground truth; NaN when there is none.

        Equal to the score of the Cityscapes benchmark wherever every class is present. A class
        that is predicted but nowhere true would enter that benchmark's mean as a zero; here it
        costs only the classes it was predicted in place of.
        """
        iou = self.iou()
        present = ~np.isnan(iou)
        return float(iou[present].mean()) if present.any() else float('nan')

    @property
    def pixel_accuracy(self) -> float:
        """Part of the valid pixels that got their true class; NaN without valid pixels."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else float('nan')

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Matrix of both sets of images together.

        Raises:
            EvaluationError: They count different numbers of classes.
        """
        if other.num_classes != self.num_classes:
            raise EvaluationError(
                'merged confusion matrix', must_be=f'of {self.num_classes} classes',
                got=other.num_classes, do='merge results of one taxonomy',
            )
        merged = ConfusionMatrix(self.num_classes)
        merged.counts = self.counts + other.counts
        return merged
