# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial pyramid pooling whose cells are as square as the image allows.

Source: thesis section 4.4.2 and Figure 4.2; after Zhao et al., Pyramid Scene Parsing Network,
CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.norm_relu_conv import NormReluConv


def grid_shape(rows: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a grid with square cells over height x width features, at least 1."""
    return rows, max(1, round(rows * width / height))


class SpatialPyramid(nn.Module):
    """Adds averages over coarse grids to the coarsest features, and returns fewer maps.

    Args:
        in_channels: Maps d of the coarsest features.
        projected_channels: Maps they are projected to, d/2 in the thesis.
        level_channels: Maps of each grid, d/8 in the thesis.
        out_channels: Maps that go out, d/4 in the thesis.
        grid_rows: Rows of each grid; the columns follow from the aspect of the features.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        projected_channels: int,
        level_channels: int,
        out_channels: int,
        grid_rows: Sequence[int] = (8, 4, 2, 1),
    ) -> None:
        super().__init__()
        self.grid_rows = tuple(grid_rows)
        self.out_channels = out_channels
        self.project = NormReluConv(in_channels, projected_channels, kernel_size=1)
        self.levels = nn.ModuleList(
            NormReluConv(projected_channels, level_channels, kernel_size=1)
            for _ in self.grid_rows
        )
        concatenated = projected_channels + len(self.grid_rows) * level_channels
        self.blend = NormReluConv(concatenated, out_channels, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, h, w)."""
        size = (features.shape[-2], features.shape[-1])
        projected = self.project(features)
        parts = [projected]
        for rows, level in zip(self.grid_rows, self.levels, strict=True):
            pooled = level(F.adaptive_avg_pool2d(projected, grid_shape(rows, *size)))
            parts.append(F.interpolate(pooled, size, mode='bilinear', align_corners=False))
        context: Tensor = self.blend(torch.cat(parts, dim=1))
        return context
