# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The protocols of engines and backends, and the base of exported engines."""


from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
import logging
from pathlib import Path
from typing import Protocol
import warnings

import torch
from torch import Tensor

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.models.segmentation_model import check_pixels_per_metre


class Engine(Protocol):
    """Runs one network on one device."""

    @property
    def description(self) -> str:
        """What runs it, in which arithmetic: 'torch, float32'."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the logits come out."""
        ...

    @property
    def uses_disparity(self) -> bool:
        """Whether the network needs pixels_per_metre."""
        ...

    def run(
        self, image: torch.Tensor, pixels_per_metre: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Logits of one image.

        Args:
            image: (H, W, 3) uint8 RGB in host memory.
            pixels_per_metre: (H, W) float32, apparent size of a metre at each pixel's depth,
                disparity / baseline [px/m], NaN where unknown; None unless uses_disparity.

        Returns:
            (1, C, h, w) logits on the engine's device, at the network's own resolution.

        Raises:
            ModelError: The network needs pixels_per_metre and there is none.
        """
        ...


class Backend(Protocol):
    """Makes an engine for one size of images, in two steps: export once, load at every start."""

    @property
    def name(self) -> str:
        """As in the options: 'openvino'."""
        ...

    @property
    def fingerprint(self) -> str:
        """All that makes artefacts differ beside network and size: library, version, arithmetic.

        Artefacts of one fingerprint are never loaded by a backend with another.
        """
        ...

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """Write what `load` needs into an empty folder; may take minutes.

        Raises:
            InferenceError: The library cannot take the network.
        """
        ...

    def load(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> Engine:
        """Engine for images of this size from what `export` wrote.

        Args:
            network: The network that was exported.
            size: The size it was exported for.
            folder: Where `export` wrote.

        Raises:
            InferenceError: The artefact is damaged or missing.
        """
        ...


class ExportedEngine(ABC):
    """Engine for images of one size: checks what comes in and leaves the rest to a library.

    Args:
        description: What runs the network, in which arithmetic.
        size: Of its images.
        uses_disparity: Whether the network needs pixels_per_metre.
        device: Where the logits come out.
    """

    def __init__(
        self, description: str, size: ImageSize, uses_disparity: bool, device: torch.device,
    ) -> None:
        self._description = description
        self._size = size
        self._uses_disparity = uses_disparity
        self._device = device

    @property
    def description(self) -> str:
        """What runs it, in which arithmetic."""
        return self._description

    @property
    def device(self) -> torch.device:
        """Where the logits come out."""
        return self._device

    @property
    def uses_disparity(self) -> bool:
        """Whether the network needs pixels_per_metre."""
        return self._uses_disparity

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Logits of one image; see Engine.

        Raises:
            InferenceError: The image is of another size than the network was exported for.
            ModelError: See Engine.
        """
        scales = _check_inputs(self._size, self._uses_disparity, image, pixels_per_metre)
        inputs = [image] if scales is None else [image, scales]
        return self._infer([value[None].contiguous() for value in inputs])

    @abstractmethod
    def _infer(self, inputs: list[Tensor]) -> Tensor:
        """Logits of (1, H, W, 3) uint8 and, with disparity, (1, H, W) float32, contiguous."""


def _check_inputs(
    size: ImageSize, uses_disparity: bool, image: Tensor,
    pixels_per_metre: Tensor | None,
) -> Tensor | None:
    """Refuse what an exported network cannot take.

    Args:
        size: What it was exported for.
        uses_disparity: Whether it needs pixels_per_metre.
        image: (H, W, 3) uint8 RGB.
        pixels_per_metre: (H, W) float32 [px/m]; None without.

    Returns:
        pixels_per_metre if the network needs them, else None.

    Raises:
        InferenceError: The image is of another size or type.
        ModelError: pixels_per_metre are missing or of another size.
    """
    expected = (size.height_px, size.width_px)
    if tuple(image.shape) != (*expected, 3) or image.dtype != torch.uint8:
        raise InferenceError(
            'image', must_be=f'{(*expected, 3)} uint8, as the engine was exported for',
            got=f'{tuple(image.shape)} {str(image.dtype).removeprefix("torch.")}',
            do='export an engine for this size, or choose engine torch', reason='size_mismatch',
        )
    return check_pixels_per_metre(pixels_per_metre, expected) if uses_disparity else None


_LOGGER = 'torch.onnx._internal.exporter._registration'


@contextmanager
def quiet_export() -> Iterator[None]:
    """Keep torch from telling that its exporter uses what it will lose, or misses torchvision."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
