# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that labels are scored by, over one set of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.evaluation.calibration_error import CalibrationError
from ldn_perception.evaluation.instance_iou import InstanceIou
from ldn_perception.evaluation.negative_images import accept_void
from ldn_perception.evaluation.pair_scorer import PairScorer, ScoringTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.evaluation.confusion import ConfusionMatrix
    from ldn_perception.evaluation.label_space import SpacePrediction
    from ldn_perception.taxonomy import Taxonomy


class SegmentationScores:
    """Confusion, instance IoU and calibration of the driving classes of a dataset.

    Args:
        taxonomy: Classes of the dataset, one driving class at least.

    Attributes:
        instance_iou: Of the images with instances.
        calibration: Of all labelled pixels.
        has_instances: Whether an image had instances.
        negative_images: Number of negative images.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self._scorer = PairScorer(ScoringTask(taxonomy, taxonomy))
        self.instance_iou = InstanceIou(taxonomy)
        self.calibration = CalibrationError()
        self.has_instances = False
        self.negative_images = 0

    @property
    def confusion(self) -> ConfusionMatrix:
        """Counts of all images."""
        return self._scorer.totals.confusion

    def accumulate(
        self, prediction: SpacePrediction, labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None, *, negative: bool = False,
    ) -> float:
        """Add one image.

        Args:
            prediction: In the classes of the dataset.
            labels: (H, W) uint8 ids of driving classes, 255 = ignored.
            instances: (H, W) int32, 0 = no instance; None if the dataset has none.
            negative: Whether void is a right answer, see `accept_void`.

        Returns:
            Mean IoU of this image alone; NaN if nothing of it is labelled.
        """
        predicted = accept_void(prediction.labels, labels) if negative else prediction.labels
        self.negative_images += negative
        own = self._scorer.add({'labels': predicted}, {'labels': labels}).confusion
        if instances is not None:
            self.has_instances = True
            self.instance_iou.accumulate(predicted, labels, instances)
        labelled = labels < self.confusion.num_classes
        self.calibration.accumulate(
            prediction.confidence[labelled], (predicted == labels)[labelled])
        return own.mean_iou
