# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Engine that shows the network every image at one size."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ldn_perception.inference.engine import Engine


class ResizedEngine:
    """Resizes images for another engine; decoders bring its logits to the size of the image.

    Args:
        engine: Engine that runs the network.
        width_px: Width of the images it sees.
        height_px: Height of the images it sees.
    """

    def __init__(self, engine: Engine, width_px: int, height_px: int) -> None:
        self._engine = engine
        self._size = width_px, height_px

    @property
    def description(self) -> str:
        """Description of the engine, and the size."""
        return f'{self._engine.description}, at {self._size[0]}x{self._size[1]}'

    @property
    def device(self) -> torch.device:
        """Where the logits come out."""
        return self._engine.device

    @property
    def uses_disparity(self) -> bool:
        """Whether the network needs pixels_per_metre."""
        return self._engine.uses_disparity

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Logits of one image at the size; see Engine."""
        sizes = None if pixels_per_metre is None else self._resize_sizes(pixels_per_metre)
        return self._engine.run(self._resize_image(image), sizes)

    def _resize_image(self, image: Tensor) -> Tensor:
        height, width = image.shape[:2]
        if (width, height) == self._size:
            return image
        method = cv2.INTER_AREA if self._size[0] < width else cv2.INTER_LINEAR
        resized = cv2.resize(image.numpy(), self._size, interpolation=method)
        return torch.from_numpy(np.asarray(resized, np.uint8))

    def _resize_sizes(self, pixels_per_metre: Tensor) -> Tensor:
        """A metre spans more pixels of a wider image; unknown pixels stay as few as they are."""
        nearest = F.interpolate(
            pixels_per_metre[None, None], self._size[::-1], mode='nearest-exact')[0, 0]
        return nearest * (self._size[0] / pixels_per_metre.shape[1])
