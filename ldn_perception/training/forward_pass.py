# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How a batch goes through a network, in training and validation."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldn_perception.models.normalisation import normalise
from ldn_perception.models.segmentation_model import SegmentationOutput

PRECISIONS = {'float32': torch.float32, 'bfloat16': torch.bfloat16}


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Where and in which arithmetic a network computes.

    Attributes:
        device: Where the network is.
        precision: One of PRECISIONS; bfloat16 is autocast, the weights stay float32.
        uses_disparity: Whether the network gets the size of a metre.
    """

    device: torch.device
    precision: str
    uses_disparity: bool

    def run(
        self, model: nn.Module, image: Tensor, pixels_per_metre: Tensor
    ) -> SegmentationOutput:
        """Send a batch through a network.

        Args:
            model: The network, on the device.
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
    """(N, h, w, 3) uint8 RGB to (N, 3, h, w) float32, normalised, channels last in memory."""
    count, height, width, _ = image.shape
    tall = normalise(image.reshape(count * height, width, 3))  # (1, 3, N * h, w)
    return tall[0].permute(1, 2, 0).view(count, height, width, 3).permute(0, 3, 1, 2)
