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
        labels: (H, W) uint8 ids of its driving classes, 255 = none of them.
        confidence: (H, W) float32 in [0, 1], probability of what was predicted; where the label
            is 255, of the class that won there.
        foreign: (H, W) bool, where a foreign class is the most probable one of the network.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    foreign: NDArray[np.bool_]


class LabelSpace:
    """Decides in the driving classes of a dataset.

    A pixel gets no class, 255, where the most probable class of the network is a foreign one: it
    is what the node publishes there. Elsewhere the classes of the dataset compete with the sum of
    the probabilities of their sets, and each driving class of the network that is in no set, one
    the dataset does not know, with its own; if such a class wins, the pixel gets no class. Of
    equals the class with the smaller id wins, those of the dataset first. Where sets overlap,
    both classes have the shared probability.

    No class on a labelled pixel is a false negative. With `LabelMapping.identity` the labels are
    those of the decoder under the policy VOID, and the confidence is the published one.

    Args:
        mapping: Driving classes of the dataset -> sets of classes of the network.
    """

    def __init__(self, mapping: LabelMapping) -> None:
        self._num_driving = mapping.target.num_driving
        self._num_classes = len(mapping.target)
        self._name = mapping.target.name
        sets = mapping.table[:mapping.source.num_driving]
        self._sets = torch.from_numpy(sets.astype(np.float32))
        self._unknown = torch.from_numpy(np.flatnonzero(~sets[:, :self._num_driving].any(0)))

    def decide(self, logits: Tensor) -> SpacePrediction:
        """Decide every pixel of one image.

        Args:
            logits: (C, H, W) float32, a channel for each class of the network's taxonomy, at the
                resolution of the ground truth.

        Raises:
            EvaluationError: The logits are of another number of classes.
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
        labels: (H, W) uint8 ids of driving classes, 255 where there is none.
        foreign: (H, W) bool, True on what does not belong on a road.
        known: (H, W) bool, True on what is known to belong there, on an image of a road.
    """

    labels: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def from_labels(
        cls, labels: NDArray[np.uint8], num_driving: int, *, negative: bool = False,
    ) -> PixelTruth:
        """Truth of labels whose ids from num_driving on are foreign classes.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            num_driving: Number of driving classes.
            negative: The image is not of a road: none of it is known, whatever its labels are.
        """
        driving = labels < num_driving
        return cls(
            np.where(driving, labels, np.uint8(UNLABELLED)),
            ~driving & (labels != UNLABELLED), driving & (not negative))

    @classmethod
    def from_photograph(cls, labels: NDArray[np.uint8], mapping: LabelMapping) -> PixelTruth:
        """Truth of a photograph of anything, which has no driving classes of its own.

        A label that stands for driving classes only is known, one that stands for foreign classes
        only is foreign; of any other nothing is known.

        Args:
            labels: (H, W) uint8, 255 = unlabelled.
            mapping: From the classes of the photograph to a taxonomy with both domains.
        """
        foreign, known = np.zeros((2, UNLABELLED + 1), np.bool_)
        foreign[:len(mapping.source)] = mapping.foreign_labels
        known[:len(mapping.source)] = mapping.driving_labels
        return cls(np.full(labels.shape, UNLABELLED, np.uint8), foreign[labels], known[labels])

    @classmethod
    def from_masks(cls, foreign: NDArray[np.bool_], valid: NDArray[np.bool_]) -> PixelTruth:
        """Truth of a set that only says what is foreign.

        Args:
            foreign: (H, W) bool.
            valid: (H, W) bool, False where the set says nothing.
        """
        return cls(
            np.full(foreign.shape, UNLABELLED, np.uint8), foreign & valid, ~foreign & valid)
