# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols of engines and backends, and the base class of exported engines."""

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
        """Library and precision: 'torch, float32'."""
        ...

    @property
    def device(self) -> torch.device:
        """Device of the logits."""
        ...

    @property
    def uses_disparity(self) -> bool:
        """True if the network needs pixels_per_metre."""
        ...

    def run(
        self, image: torch.Tensor, pixels_per_metre: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the logits of one image.

        Args:
            image: (H, W, 3) uint8 RGB in host memory.
            pixels_per_metre: (H, W) float32, apparent size of a metre at each pixel's depth,
                disparity / baseline [px/m], NaN where unknown; None unless uses_disparity.

        Returns:
            (1, C, h, w) logits on the engine's device, at the network's own resolution.

        Raises:
            ModelError: The network needs pixels_per_metre and none is given.
        """
        ...


class Backend(Protocol):
    """Builds an engine for one image size in two steps: export once, load at every start."""

    @property
    def name(self) -> str:
        """Name in the options: 'openvino'."""
        ...

    @property
    def fingerprint(self) -> str:
        """Everything else that affects artefacts: library, version, arithmetic.

        An artefact is never loaded by a backend with another fingerprint.
        """
        ...

    def export(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> None:
        """Write the files for `load` into an empty folder; may take minutes.

        Raises:
            InferenceError: The library does not support the network.
        """
        ...

    def load(self, network: DeployedNetwork, size: ImageSize, folder: Path) -> Engine:
        """Load an engine for images of this size from the output of `export`.

        Args:
            network: The exported network.
            size: Image size it was exported for.
            folder: Output folder of `export`.

        Raises:
            InferenceError: The artefact is damaged or missing.
        """
        ...


class ExportedEngine(ABC):
    """Base of engines for one image size: checks the inputs and passes them to a library.

    Args:
        description: Library and precision.
        size: Size of the images.
        uses_disparity: True if the network needs pixels_per_metre.
        device: Device of the logits.
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
        """Library and precision."""
        return self._description

    @property
    def device(self) -> torch.device:
        """Device of the logits."""
        return self._device

    @property
    def uses_disparity(self) -> bool:
        """True if the network needs pixels_per_metre."""
        return self._uses_disparity

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Compute the logits of one image; see Engine.

        Raises:
            InferenceError: The image size differs from the size the network was exported for.
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
    """Check the inputs of an exported network.

    Args:
        size: Image size it was exported for.
        uses_disparity: True if it needs pixels_per_metre.
        image: (H, W, 3) uint8 RGB.
        pixels_per_metre: (H, W) float32 [px/m], or None.

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
    """Silence torch's warnings on deprecated parts of its exporter and on missing torchvision."""
    logger = logging.getLogger(_LOGGER)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
