# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of labels and of their confidence over a set of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.pair_scorer import PairScorer, ScoringTask
from ldn_perception.metrics.segmentation import InstanceIou
from ldn_perception.types import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.metrics.label_space import SpacePrediction
    from ldn_perception.metrics.segmentation import ConfusionMatrix
    from ldn_perception.taxonomy import Taxonomy

class SegmentationScores:
    """Confusion, instance IoU and calibration of the driving classes of a dataset.

    Args:
        taxonomy: Class list of the dataset, with at least one driving class.

    Attributes:
        instance_iou: Instance-level IoU of the images with instances.
        calibration: Calibration error of all labelled pixels.
        has_instances: True if any image had instances.
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
            prediction: Prediction in the classes of the dataset.
            labels: (H, W) uint8 ids of driving classes, 255 = ignored.
            instances: (H, W) int32, 0 = no instance; None if the dataset has none.
            negative: True if void is a correct answer, see `accept_void`.

        Returns:
            Mean IoU of this image; NaN without labelled pixels.
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


NUM_BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBins:
    """Reliability of each confidence bin, by increasing confidence.

    Attributes:
        pixels: (M,) int64.
        accuracy: (M,) float64, share of correct pixels; NaN for an empty bin.
        confidence: (M,) float64, mean confidence; NaN for an empty bin.
    """

    pixels: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    confidence: NDArray[np.float64]


class CalibrationError:
    """Expected calibration error of all pixels of a set, pooled.

    Bin m of M holds the confidences in ((m - 1) / M, m / M]; the first also holds 0. The error is
    the mean over the pixels of |accuracy - mean confidence| of their bin.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017, eq. 3, with M = 15.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros(NUM_BINS, np.int64)
        self._right = np.zeros(NUM_BINS, np.int64)
        self._confidence = np.zeros(NUM_BINS)

    def accumulate(self, confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> None:
        """Add pixels.

        Args:
            confidence: (N,) float32 in [0, 1], probability of the predicted class.
            right: (N,) bool, True where the prediction is correct.

        Raises:
            EvaluationError: The shapes differ, or a confidence is not in [0, 1].
        """
        if confidence.shape != right.shape:
            raise EvaluationError(
                'confidence', must_be=f'{right.shape} as the predictions', got=confidence.shape,
                do='give one of each a pixel')
        values = confidence.astype(np.float64)
        if values.size and not (values.min() >= 0 and values.max() <= 1 + 1e-5):
            raise EvaluationError(
                'confidence', must_be='in [0, 1]', got=f'{values.min()} to {values.max()}',
                do='give probabilities')
        bins = np.clip(np.ceil(values * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
        self._pixels += np.bincount(bins, minlength=NUM_BINS)
        self._right += np.bincount(bins[right], minlength=NUM_BINS)
        self._confidence += np.bincount(bins, values, NUM_BINS)

    @property
    def value(self) -> float:
        """Expected calibration error in [0, 1]; NaN without pixels."""
        total = int(self._pixels.sum())
        return float(np.abs(self._right - self._confidence).sum()) / total if total else (
            float('nan'))

    @property
    def bins(self) -> ReliabilityBins:
        """Bins of a reliability diagram."""
        filled = np.where(self._pixels > 0, self._pixels, np.nan)
        return ReliabilityBins(
            self._pixels.copy(), self._right / filled, self._confidence / filled)


def accept_void(
    prediction: NDArray[np.uint8], ground_truth: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Prediction of a negative image with void counted as correct.

    Void, which includes all foreign classes, is correct on every pixel of a negative image,
    whatever its annotation. A driving class is correct only where the annotation, a best guess on
    such an image, has the same class. A void pixel thus counts as a true positive of its annotated
    class.

    Source: the negative test cases of WildDash (Zendel et al., ECCV 2018); thesis section 5.3.

    Args:
        prediction: (H, W) uint8 class ids, 255 = void or foreign.
        ground_truth: (H, W) uint8 class ids, 255 = ignored.

    Returns:
        (H, W) uint8, to be scored like any other prediction.
    """
    return np.where(prediction == UNLABELLED, ground_truth, prediction)
