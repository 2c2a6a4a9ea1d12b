# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Eager torch: the reference engine."""

from __future__ import annotations

import torch

from ldn_perception.host_transfers import upload
from ldn_perception.inference.precision import PRECISION_NAMES
from ldn_perception.models.normalisation import IMAGENET, Normalisation, normalise
from ldn_perception.models.segmentation_model import SegmentationModel


class TorchEngine:
    """Runs a model as it is.

    Args:
        model: The network; it is moved to the device and put into evaluation mode.
        device: Where it runs.
        precision: torch.float32, or torch.bfloat16 for autocast.
        normalisation: What the network was trained with.
    """

    def __init__(
        self, model: SegmentationModel, device: torch.device,
        precision: torch.dtype = torch.float32, normalisation: Normalisation = IMAGENET,
    ) -> None:
        self._model = model.eval().to(device)
        # torch's type stubs lack this overload of Module.to
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        self._precision = precision
        self._normalisation = normalisation

    @property
    def description(self) -> str:
        """What runs it, in which arithmetic."""
        return f'torch, {PRECISION_NAMES[self._precision]}'

    @property
    def device(self) -> torch.device:
        """Where the logits come out."""
        return self._device

    @property
    def uses_disparity(self) -> bool:
        """Whether the network needs pixels_per_metre."""
        return self._model.uses_disparity

    def run(
        self, image: torch.Tensor, pixels_per_metre: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits of one image; see Engine."""
        autocast = torch.autocast(
            self._device.type, self._precision, enabled=self._precision != torch.float32)
        with torch.inference_mode(), autocast:
            scales = None
            if pixels_per_metre is not None:
                scales = upload(pixels_per_metre[None], self._device)
            normalised = normalise(upload(image, self._device), self._normalisation)
            return self._model(normalised, scales).logits.float()
