# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What residual and dual path networks have in common: a stem and stages of units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class StagedBackbone(nn.Module):
    """Stem and stages of units; each stage after the first halves the resolution.

    Args:
        stem: From the image to 1/4 of its resolution.
        stages: Units of each stage; the first unit of each but the first has stride 2.
        channels: Maps that go out of each stage.

    Attributes:
        channels: Maps of each feature `forward` returns, finest first.
        strides: Image pixels per cell of each of them [px].
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[Sequence[nn.Module]],
        channels: Sequence[int],
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(nn.Sequential(*units) for units in stages)
        self.channels = tuple(channels)
        self.strides = tuple(4 << level for level in range(len(self.channels)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Output of every stage, finest first.

        Args:
            image: (N, 3, H, W).

        Returns:
            (N, channels[i], ceil(H / strides[i]), ceil(W / strides[i])) for every i.
        """
        features = []
        output = self.stem(image)
        for stage in self.stages:
            output = stage(output)
            features.append(output)
        return features
