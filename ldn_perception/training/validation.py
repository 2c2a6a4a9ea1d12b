# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Validation during training, and the forward pass of training and validation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.data.labelled_images import LabelledImage, LabelledImages
from ldn_perception.errors import TrainingError
from ldn_perception.metrics.label_space import LabelSpace
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.models.segmentation_model import SegmentationOutput, normalise
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.training_files import ValidationRecord
from ldn_perception.training.workers import Workers
from ldn_perception.types import UNLABELLED


class ValidationDomain(NamedTuple):
    """Dataset for validation during training.

    Attributes:
        name: Name in the records.
        images: Labelled images.
        mapping: Mapping from its classes to those of the network.
    """

    name: str
    images: LabelledImages
    mapping: LabelMapping


class Validation:
    """Validation on whole images, distributed over the workers.

    Args:
        domains: Validation datasets.
        workers: Processes of a distributed training.

    Raises:
        TrainingError: A dataset has no driving class.
    """

    def __init__(self, domains: Sequence[ValidationDomain], workers: Workers) -> None:
        for domain in domains:
            if not domain.images.taxonomy.num_driving:
                raise TrainingError(
                    f'validation dataset {domain.name}', must_be='one with driving classes',
                    got=f'only the classes {", ".join(domain.images.taxonomy.class_names)}',
                    do='use ldn evaluate for foreign images')
        self._domains = domains
        self._workers = workers

    def score(
        self, model: nn.Module, forward_pass: ForwardPass, step: int, epoch: int
    ) -> list[ValidationRecord]:
        """Score a network on every dataset.

        Args:
            model: Network; left in evaluation mode.
            forward_pass: Forward pass of the network.
            step: Number of the last step.
            epoch: Completed epochs.
        """
        model.eval()
        records = []
        for domain in self._domains:
            confusion = self._confusion(domain, model, forward_pass)
            records.append(ValidationRecord(
                step, epoch, domain.name, confusion.mean_iou, confusion.pixel_accuracy))
        return records

    def _confusion(
        self, domain: ValidationDomain, model: nn.Module, forward_pass: ForwardPass
    ) -> ConfusionMatrix:
        num_driving = domain.images.taxonomy.num_driving
        confusion, space = ConfusionMatrix(num_driving), LabelSpace(domain.mapping)
        for index in range(self._workers.number, len(domain.images), self._workers.count):
            sample = domain.images[index]
            with torch.inference_mode():
                prediction = space.decide(_logits(sample, model, forward_pass))
            driving = sample.labels < num_driving
            confusion.accumulate(
                prediction.labels, np.where(driving, sample.labels, np.uint8(UNLABELLED)))
        counts = torch.from_numpy(confusion.counts).to(forward_pass.device)
        confusion.counts = self._workers.sum(counts).cpu().numpy()
        return confusion


def _logits(sample: LabelledImage, model: nn.Module, forward_pass: ForwardPass) -> Tensor:
    """Logits of an image at its size, (C, H, W) float32."""
    metres = sample.pixels_per_metre
    if metres is None:
        metres = np.full(sample.labels.shape, np.nan, np.float32)
    output = forward_pass.run(
        model, torch.from_numpy(sample.image)[None], torch.from_numpy(metres)[None])
    return F.interpolate(
        output.logits.float(), sample.labels.shape, mode='bilinear', align_corners=False)[0]


PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Device and precision of a network.

    Attributes:
        device: Device of the network.
        precision: One of PRECISIONS; bfloat16 uses autocast, the weights stay float32.
        uses_disparity: True if the network input includes the size of a metre.
    """

    device: torch.device
    precision: str
    uses_disparity: bool

    def run(
        self, model: nn.Module, image: Tensor, pixels_per_metre: Tensor
    ) -> SegmentationOutput:
        """Run a network on a batch.

        Args:
            model: Network on the device.
            image: (N, h, w, 3) uint8 RGB.
            pixels_per_metre: (N, h, w) float32 [px/m], NaN where unknown.
        """
        normalised = normalise_batch(image.to(self.device, non_blocking=True))
        metres = None
        if self.uses_disparity:
            metres = pixels_per_metre.to(self.device, non_blocking=True)
        with self._autocast():
            output: SegmentationOutput = model(normalised, metres)
        return output

    def _autocast(self) -> AbstractContextManager[None]:
        precision = PRECISIONS[self.precision]
        return torch.autocast(
            self.device.type, precision, enabled=precision is not torch.float32)


def normalise_batch(image: Tensor) -> Tensor:
    """Normalise (N, h, w, 3) uint8 RGB to (N, 3, h, w) float32, channels last in memory."""
    count, height, width, _ = image.shape
    tall = normalise(image.reshape(count * height, width, 3))  # (1, 3, N * h, w)
    return tall[0].permute(1, 2, 0).view(count, height, width, 3).permute(0, 3, 1, 2)
