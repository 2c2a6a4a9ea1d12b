# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine does."""

from __future__ import annotations

from typing import Protocol

import torch


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
