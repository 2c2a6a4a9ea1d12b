# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Confusion matrix and intersection over union of classes, categories and instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.types import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy import Taxonomy

class ConfusionMatrix:
    """Confusion matrix over a set of images.

    Pixels with ground truth 255 are ignored, also as false positives. A valid pixel predicted as
    255 or as an id outside the evaluated classes is a false negative of its true class and no
    false positive.

    Source: evaluation rules of the Cityscapes benchmark (Cordts et al., CVPR 2016).

    Args:
        num_classes: Number of evaluated classes C; their ids are 0 to C - 1.

    Raises:
        EvaluationError: The number is 0 or exceeds the label ids.
    """

    def __init__(self, num_classes: int) -> None:
        if not 0 < num_classes <= UNLABELLED:
            raise EvaluationError(
                'number of classes', must_be=f'1 to {UNLABELLED}', got=num_classes,
                do='count the classes that are evaluated',
            )
        self.num_classes = num_classes
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes + 1), np.int64)
        """(C, C + 1) pixels by true class (row) and predicted class (column); the last column
        counts predictions outside the evaluated classes."""

    def accumulate(
        self, prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8]
    ) -> None:
        """Count the pixels of one image.

        Args:
            prediction: (H, W) uint8 class ids, 255 = unlabelled.
            ground_truth: (H, W) uint8 class ids below C, 255 = ignored.

        Raises:
            EvaluationError: The arrays are not uint8 images of equal size, or the ground truth
                contains an id that is neither a class nor 255.
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
        """Valid ground-truth pixels of every class, (C,) int64."""
        return np.asarray(self.counts.sum(axis=1))

    def iou(self) -> NDArray[np.float64]:
        """Intersection over union TP / (TP + FP + FN) of every class.

        Returns:
            (C,) float64 in [0, 1]; NaN for a class without ground truth.
        """
        true_positives = np.diagonal(self.counts)
        union = self.class_pixels + self.counts[:, :-1].sum(axis=0) - true_positives
        iou = np.full(self.num_classes, np.nan)
        np.divide(true_positives, union, out=iou, where=self.class_pixels > 0)
        return iou

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes present in the ground truth; NaN without any.

        Equal to the score of the Cityscapes benchmark if every class is present. The benchmark's
        mean would count a predicted class without ground truth as zero; here it only lowers the
        classes it was predicted in place of.
        """
        iou = self.iou()
        present = ~np.isnan(iou)
        return float(iou[present].mean()) if present.any() else float('nan')

    @property
    def pixel_accuracy(self) -> float:
        """Share of correct valid pixels; NaN without valid pixels."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts)) / total if total else float('nan')

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Add the counts of two sets of images.

        Raises:
            EvaluationError: The numbers of classes differ.
        """
        if other.num_classes != self.num_classes:
            raise EvaluationError(
                'merged confusion matrix', must_be=f'of {self.num_classes} classes',
                got=other.num_classes, do='merge results of one taxonomy',
            )
        merged = ConfusionMatrix(self.num_classes)
        merged.counts = self.counts + other.counts
        return merged


def category_iou(confusion: ConfusionMatrix, taxonomy: Taxonomy) -> dict[str, float]:
    """IoU of every category: the rows and columns of its classes count as one class.

    A pixel is correct if its predicted class is in the true category.

    Source: category IoU of the Cityscapes benchmark (Cordts et al., CVPR 2016).

    Args:
        confusion: Counts of the driving classes of the taxonomy.
        taxonomy: Categories of the classes.

    Returns:
        IoU by category, in [0, 1], in the order of the classes; NaN for a category without ground
        truth.

    Raises:
        EvaluationError: The number of classes differs from the taxonomy.
    """
    if confusion.num_classes != taxonomy.num_driving:
        raise EvaluationError(
            'confusion matrix', must_be=f'of the {taxonomy.num_driving} driving classes of '
            f'{taxonomy.name}', got=confusion.num_classes, do='count in that taxonomy')
    return {
        name: _group_iou(confusion.counts, members)
        for name, members in category_members(taxonomy).items()
    }


def category_members(taxonomy: Taxonomy) -> dict[str, NDArray[np.bool_]]:
    """Classes by category of driving classes, each (num_driving,) bool."""
    categories = [info.category for info in taxonomy.classes[:taxonomy.num_driving]]
    return {
        name: np.array([category == name for category in categories])
        for name in dict.fromkeys(categories)
    }


def _group_iou(counts: NDArray[np.int64], members: NDArray[np.bool_]) -> float:
    true_pixels = int(counts[members].sum())
    true_positives = int(counts[members][:, :-1][:, members].sum())
    predicted_pixels = int(counts[:, :-1][:, members].sum())
    if not true_pixels:
        return float('nan')
    return true_positives / (true_pixels + predicted_pixels - true_positives)


AVERAGE_SIZES_PX = {
    'person': 3462.4756, 'rider': 3930.4788, 'car': 12794.0202, 'truck': 27855.1264,
    'bus': 35732.1511, 'train': 67583.7075, 'motorcycle': 6298.7200, 'bicycle': 4672.3249,
    'caravan': 36771.8241, 'trailer': 16926.9763,
}
"""Mean instance size in pixels in the training set of Cityscapes, at 2048x1024."""


class InstanceIou:
    """Instance-level IoU (iIoU): TP / (TP + FP + FN), with weights on TP and FN only.

    The weight of an instance pixel is the average size of its class divided by the size of the
    instance, for TP and FN. False positives belong to no instance and have weight 1; they are
    taken from the confusion matrix. Pixels of a class outside any instance, e.g. crowds, do not
    count as TP or FN.

    Categories are scored likewise if all their classes have instances: a pixel is found if its
    predicted class is in the category.

    A class without an instance in the ground truth has no score. The benchmark scores it 0 if it
    is predicted anywhere; here the mean is over the classes present, as for IoU.

    Source: iIoU of the Cityscapes benchmark (Cordts et al., CVPR 2016) and its average sizes.

    Args:
        taxonomy: Class list; its driving classes are evaluated, and those in AVERAGE_SIZES_PX have
            instances.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        driving = taxonomy.class_names[:taxonomy.num_driving]
        self._average_px = np.array([AVERAGE_SIZES_PX.get(name, np.nan) for name in driving])
        self._categories = {
            name: members for name, members in category_members(taxonomy).items()
            if np.isfinite(self._average_px[members]).all()
        }
        self._found = np.zeros(len(driving))
        self._missed = np.zeros(len(driving))
        self._category_found = dict.fromkeys(self._categories, 0.0)
        self._category_missed = dict.fromkeys(self._categories, 0.0)

    def accumulate(
        self, prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8],
        instances: NDArray[np.int32],
    ) -> None:
        """Add the instances of one image.

        Args:
            prediction: (H, W) uint8 class ids, 255 = unlabelled.
            ground_truth: (H, W) uint8 class ids, 255 = ignored.
            instances: (H, W) int32, 0 = no instance; equal class and number form one instance.

        Raises:
            EvaluationError: The sizes differ.
        """
        if not prediction.shape == ground_truth.shape == instances.shape:
            raise EvaluationError(
                'instances', must_be=f'{ground_truth.shape} as prediction and ground truth',
                got=f'{instances.shape} and {prediction.shape}', do='give all at one size')
        for label in np.flatnonzero(np.isfinite(self._average_px)):
            own = (ground_truth == label) & (instances > 0)
            if own.any():
                self._add_class(int(label), prediction[own], instances[own])

    def _add_class(
        self, label: int, prediction: NDArray[np.uint8], instances: NDArray[np.int32],
    ) -> None:
        _, index, sizes = np.unique(instances, return_inverse=True, return_counts=True)
        weights = (self._average_px[label] / sizes)[index]
        found = float(weights[prediction == label].sum())
        self._found[label] += found
        self._missed[label] += float(weights.sum()) - found
        for name, members in self._categories.items():
            if members[label]:
                hit = np.isin(prediction, np.flatnonzero(members))
                found = float(weights[hit].sum())
                self._category_found[name] += found
                self._category_missed[name] += float(weights.sum()) - found

    def iou(self, confusion: ConfusionMatrix) -> NDArray[np.float64]:
        """Instance-level IoU of every class.

        Args:
            confusion: Counts of the same images, for the false positives.

        Returns:
            (num_driving,) float64 in [0, 1]; NaN for a class without an instance.
        """
        counts = confusion.counts[:, :-1]
        false_positives = counts.sum(axis=0) - np.diagonal(counts)
        weighted = self._found + self._missed
        iou = np.full(weighted.shape, np.nan)
        np.divide(self._found, weighted + false_positives, out=iou, where=weighted > 0)
        return iou

    def category_iou(self, confusion: ConfusionMatrix) -> dict[str, float]:
        """Instance-level IoU of every category whose classes all have instances; see `iou`."""
        scores = {}
        for name, members in self._categories.items():
            weighted = self._category_found[name] + self._category_missed[name]
            false_positives = int(confusion.counts[~members][:, :-1][:, members].sum())
            scores[name] = (
                self._category_found[name] / (weighted + false_positives) if weighted
                else float('nan'))
        return scores
