# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Intersection over union of groups of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.evaluation.confusion import ConfusionMatrix
    from ldn_perception.taxonomy import Taxonomy


def category_iou(confusion: ConfusionMatrix, taxonomy: Taxonomy) -> dict[str, float]:
    """IoU of every category: the rows and columns of its classes count as one class.

    A pixel is right when it gets any class of its category.

    Source: category IoU of the Cityscapes benchmark (Cordts et al., CVPR 2016).

    Args:
        confusion: Counts of the driving classes of the taxonomy.
        taxonomy: Says which class is in which category.

    Returns:
        Name of each category -> IoU in [0, 1], in the order of the classes; NaN for a category
        without a pixel in the ground truth.

    Raises:
        EvaluationError: The counts are of another number of classes.
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
    """Name of each category of driving classes -> (num_driving,) bool, its classes."""
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
