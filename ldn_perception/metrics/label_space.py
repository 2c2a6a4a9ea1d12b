# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Predictions and ground truth in the classes of another taxonomy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ldn_perception.errors import EvaluationError
from ldn_perception.types import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy.taxonomy import LabelMapping

@dataclass(frozen=True, slots=True)
class SpacePrediction:
    """Prediction of one image in the classes of a dataset.

    Attributes:
        labels: (H, W) uint8 ids of the dataset's driving classes, 255 = none.
        confidence: (H, W) float32 in [0, 1], probability of the predicted class; where the label
            is 255, probability of the winning class.
        foreign: (H, W) bool, True where the most probable network class is foreign.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    foreign: NDArray[np.bool_]


class LabelSpace:
    """Decision rule in the driving classes of a dataset.

    A pixel gets label 255 where the most probable network class is foreign, as published by the
    node. Elsewhere the candidates are the dataset classes, with the summed probability of their
    sets, and the driving classes of the network outside all sets (unknown to the dataset), with
    their own probability. If one of the latter wins, the label is 255. In a tie the smaller id
    wins, dataset classes first. Classes of overlapping sets share the common probability.

    Label 255 on a labelled pixel is a false negative. With `LabelMapping.identity` the labels
    equal those of the decoder with policy VOID, and the confidence equals the published one.

    Args:
        mapping: Driving classes of the dataset -> sets of network classes.
    """

    def __init__(self, mapping: LabelMapping) -> None:
        self._num_driving = mapping.target.num_driving
        self._num_classes = len(mapping.target)
        self._name = mapping.target.name
        sets = mapping.table[:mapping.source.num_driving]
        self._sets = torch.from_numpy(sets.astype(np.float32))
        self._unknown = torch.from_numpy(np.flatnonzero(~sets[:, :self._num_driving].any(0)))

    def decide(self, logits: Tensor) -> SpacePrediction:
        """Decide the class of every pixel of one image.

        Args:
            logits: (C, H, W) float32, one channel per class of the network's taxonomy, at the
                resolution of the ground truth.

        Raises:
            EvaluationError: The number of channels differs from the number of classes.
        """
        if logits.ndim != 3 or len(logits) != self._num_classes:
            raise EvaluationError(
                'logits', must_be=f'({self._num_classes}, H, W) for taxonomy {self._name}',
                got=tuple(logits.shape), do='give those of one image of that network')
        probability = logits.softmax(0)
        foreign = self._foreign_wins(logits)
        sums = torch.tensordot(self._sets.to(logits.device), probability, dims=1)  # (K, H, W)
        rivals = torch.cat([sums, probability[self._unknown.to(logits.device)]])
        best, labels = rivals.max(0)
        labels = labels.masked_fill(foreign | (labels >= len(sums)), UNLABELLED)
        confidence = torch.where(foreign, probability.amax(0), best).clamp(max=1)
        return SpacePrediction(
            labels.to(torch.uint8).cpu().numpy(), confidence.cpu().numpy(), foreign.cpu().numpy())

    def _foreign_wins(self, logits: Tensor) -> Tensor:
        driving = logits[:self._num_driving].amax(0)
        if self._num_driving == len(logits):
            return torch.zeros_like(driving, dtype=torch.bool)
        return logits[self._num_driving:].amax(0) > driving


@dataclass(frozen=True, slots=True)
class PixelTruth:
    """Ground truth of one image.

    Attributes:
        labels: (H, W) uint8 ids of driving classes, 255 = none.
        foreign: (H, W) bool, True on foreign objects.
        known: (H, W) bool, True on known classes of a road scene, i.e. in distribution.
    """

    labels: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def from_labels(
        cls, labels: NDArray[np.uint8], num_driving: int, *, negative: bool = False,
    ) -> PixelTruth:
        """Ground truth of labels with foreign classes from id num_driving on.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            num_driving: Number of driving classes.
            negative: True if the image is not a road scene; then no pixel is known.
        """
        driving = labels < num_driving
        return cls(
            np.where(driving, labels, np.uint8(UNLABELLED)),
            ~driving & (labels != UNLABELLED), driving & (not negative))

    @classmethod
    def from_photograph(cls, labels: NDArray[np.uint8], mapping: LabelMapping) -> PixelTruth:
        """Ground truth of an arbitrary photograph, without driving classes of its own.

        A label is known if it maps to driving classes only, foreign if it maps to foreign classes
        only, else neither.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            mapping: Mapping from the photograph's classes to a taxonomy with both domains.
        """
        foreign, known = np.zeros((2, UNLABELLED + 1), np.bool_)
        foreign[:len(mapping.source)] = mapping.foreign_labels
        known[:len(mapping.source)] = mapping.driving_labels
        return cls(np.full(labels.shape, UNLABELLED, np.uint8), foreign[labels], known[labels])

    @classmethod
    def from_masks(cls, foreign: NDArray[np.bool_], valid: NDArray[np.bool_]) -> PixelTruth:
        """Ground truth of a set with foreign masks only.

        Args:
            foreign: (H, W) bool, True on foreign objects.
            valid: (H, W) bool, False without ground truth.
        """
        return cls(
            np.full(foreign.shape, UNLABELLED, np.uint8), foreign & valid, ~foreign & valid)
