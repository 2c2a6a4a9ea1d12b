# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection over union in which a small object counts as much as a large one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.category_iou import category_members

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.evaluation.confusion import ConfusionMatrix
    from ldn_perception.taxonomy import Taxonomy

AVERAGE_SIZES_PX = {
    'person': 3462.4756, 'rider': 3930.4788, 'car': 12794.0202, 'truck': 27855.1264,
    'bus': 35732.1511, 'train': 67583.7075, 'motorcycle': 6298.7200, 'bicycle': 4672.3249,
    'caravan': 36771.8241, 'trailer': 16926.9763,
}
"""Mean pixels of an instance in the training set of Cityscapes, at 2048x1024."""


class InstanceIou:
    """Instance-level IoU (iIoU): TP / (TP + FP + FN), with weights on TP and FN only.

    Each pixel of an instance weighs the average size of its class over the size of the instance,
    whether it is found or missed. False positives belong to no instance and weigh one; they are
    taken from the confusion matrix. Pixels of a class outside any instance, crowds for example,
    have no part in TP and FN.

    The same for a category, if every class of it has instances: a pixel is found when it gets
    any class of the category.

    A class without an instance in the ground truth has no score. The benchmark would give it 0
    if it was predicted somewhere; here the mean is over the classes present, as for IoU.

    Source: iIoU of the Cityscapes benchmark (Cordts et al., CVPR 2016) and its average sizes.

    Args:
        taxonomy: Its driving classes are evaluated; those named in AVERAGE_SIZES_PX have
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
            instances: (H, W) int32, 0 = no instance; pixels of one class with one number are one
                instance.

        Raises:
            EvaluationError: The three are not of one size.
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
        """Instance-level IoU of every category all of whose classes have instances; see `iou`."""
        scores = {}
        for name, members in self._categories.items():
            weighted = self._category_found[name] + self._category_missed[name]
            false_positives = int(confusion.counts[~members][:, :-1][:, members].sum())
            scores[name] = (
                self._category_found[name] / (weighted + false_positives) if weighted
                else float('nan'))
        return scores
