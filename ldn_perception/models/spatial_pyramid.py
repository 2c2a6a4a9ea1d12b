# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Context for the coarsest features: spatial pyramid pooling and what it is compared with.

Source: thesis section 4.4.2, Figure 4.2 and Table 4.9; after Zhao et al., Pyramid Scene Parsing
Network, CVPR 2017.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.norm_relu_conv import NormReluConv


def grid_shape(rows: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a grid with square cells over height x width features, at least 1."""
    return rows, max(1, round(rows * width / height))


class Context(nn.Module, ABC):
    """What stands between the coarsest features and the ladder.

    Attributes:
        out_channels: Maps that go out.
        pooled_channels: Maps of each pooled tensor; empty where nothing is pooled.
    """

    out_channels: int
    pooled_channels: tuple[int, ...]

    @abstractmethod
    def context_and_pools(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, in_channels, h, w) to (N, out_channels, h, w) and the pooled tensors on the way.

        The pooled tensors are (N, pooled_channels[i], rows, columns), where auxiliary heads sit.
        """

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, h, w)."""
        return self.context_and_pools(features)[0]


class SpatialPyramid(Context):
    """Adds averages over coarse grids to the coarsest features, and returns fewer maps.

    Args:
        in_channels: Maps d of the coarsest features.
        projected_channels: Maps they are projected to, d/2 in the thesis; None leaves them as
            they are, as the Pyramid Scene Parsing Network does.
        level_channels: Maps of each grid, d/8 in the thesis.
        out_channels: Maps that go out, d/4 in the thesis.
        grid_rows: Rows of each grid.
        square_cells: Whether the columns follow from the aspect of the features; otherwise every
            grid has as many columns as rows.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        projected_channels: int | None,
        level_channels: int,
        out_channels: int,
        grid_rows: Sequence[int] = (8, 4, 2, 1),
        square_cells: bool = True,
    ) -> None:
        super().__init__()
        self.grid_rows = tuple(grid_rows)
        self.square_cells = square_cells
        self.out_channels = out_channels
        self.project: nn.Module = nn.Identity()
        width = in_channels
        if projected_channels is not None:
            width = projected_channels
            self.project = NormReluConv(in_channels, width, kernel_size=1)
        self.pooled_channels = (width,) * len(self.grid_rows)
        self.levels = nn.ModuleList(
            NormReluConv(width, level_channels, kernel_size=1) for _ in self.grid_rows
        )
        concatenated = width + len(self.grid_rows) * level_channels
        self.blend = NormReluConv(concatenated, out_channels, kernel_size=1)

    def context_and_pools(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `Context`; one pooled tensor for each of `grid_rows`, in this order."""
        size = (features.shape[-2], features.shape[-1])
        projected = self.project(features)
        parts, pools = [projected], []
        for rows, level in zip(self.grid_rows, self.levels, strict=True):
            pools.append(F.adaptive_avg_pool2d(projected, self._grid(rows, size)))
            parts.append(F.interpolate(
                level(pools[-1]), size, mode='bilinear', align_corners=False
            ))
        return self.blend(torch.cat(parts, dim=1)), pools

    def _grid(self, rows: int, size: tuple[int, int]) -> tuple[int, int]:
        return grid_shape(rows, *size) if self.square_cells else (rows, rows)


class LocalContext(Context):
    """No pyramid: a 1x1 projection and one 3x3 convolution.

    Args:
        in_channels: Maps d of the coarsest features.
        projected_channels: Maps they are projected to.
        out_channels: Maps that go out.

    Source: thesis section 4.6.6, NoSPP. The text names the 3x3 convolution alone; only with the
    projection to d/2 before it does the network have the size and the cost of Table 4.9.
    """

    pooled_channels = ()

    def __init__(self, in_channels: int, *, projected_channels: int, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.project = NormReluConv(in_channels, projected_channels, kernel_size=1)
        self.blend = NormReluConv(projected_channels, out_channels, kernel_size=3)

    def context_and_pools(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """See `Context`; nothing is pooled."""
        return self.blend(self.project(features)), []
