# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder DenseNet: backbone, context module for the coarsest features, and ladder.

Source of the ladder: thesis section 4.4.3 and Figure 4.3. Concatenation instead of the sum is the
older ladder of Krešo et al., Croatian Computer Vision Workshop 2017.

Source of the spatial pyramid: thesis section 4.4.2, Figure 4.2 and Table 4.9; after Zhao et al.,
Pyramid Scene Parsing Network, CVPR 2017.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import NormReluConv
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput


class Backbone(Protocol):
    """Feature extractor that a ladder can use.

    Attributes:
        channels: Channels of each feature, finest first.
        strides: Stride of each feature [px].
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """Map (N, 3, H, W) to one (N, channels[i], h_i, w_i) for every i, finest first."""
        ...


class AuxiliaryHeads(nn.Module):
    """Projections of coarse features onto classes, used in training only.

    Args:
        pooled_channels: Channels of the pooled tensors of the pyramid; empty for no heads there.
        step_channels: Channels of the input of each step of the ladder.
        num_classes: Number of logit channels of each head.

    Source: thesis section 4.6.1, equations 4.2 and 4.3; without heads on the pyramid this is the
    pyramid loss of section 5.2. The first head of the ladder takes the output of the pyramid:
    Figure 4.7 shows predictions at 64 times subsampled resolution.
    """

    def __init__(
        self, pooled_channels: Sequence[int], step_channels: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        self.pools = _heads(pooled_channels, num_classes)
        self.steps = _heads(step_channels, num_classes)

    def forward(self, pools: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute logits at the native resolution of each feature, pyramid first."""
        pools = pools[:len(self.pools)]
        return (
            *(head(pool) for head, pool in zip(self.pools, pools, strict=True)),
            *(head(feature) for head, feature in zip(self.steps, features, strict=True)),
        )


def _heads(channels: Sequence[int], num_classes: int) -> nn.ModuleList:
    return nn.ModuleList(
        NormReluConv(width, num_classes, kernel_size=1, bias=True) for width in channels
    )


class LadderDenseNet(SegmentationModel):
    """Deep downsampling path for semantics and thin upsampling ladder for detail.

    Args:
        backbone: Downsampling path; its last feature feeds the pyramid, the others are skips.
        pyramid: Context module for the coarsest features.
        ladder: Upsampling path, one step per skip connection, coarsest first.
        head: CLA, projects the last step onto classes. The decoder upsamples the logits to the
            image.
        auxiliary_heads: Intermediate heads; their logits are `SegmentationOutput.auxiliary`.

    Source: thesis section 4.4 and Figure 4.1; Krešo et al., Efficient Ladder-style DenseNets for
    Semantic Segmentation of Large Images, IEEE T-ITS 2020.
    """

    uses_disparity = False

    def __init__(
        self,
        backbone: Backbone,
        pyramid: Context,
        ladder: Ladder,
        head: NormReluConv,
        auxiliary_heads: AuxiliaryHeads | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.ladder = ladder
        self.head = head
        self.auxiliary_heads = auxiliary_heads
        self.stride = backbone.strides[-1 - len(ladder.steps)]
        self.num_classes = head.out_channels

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at the resolution of the finest skip; see `SegmentationModel.forward`."""
        self._check_size(image)
        *skips, coarsest = self.backbone(image)
        skips = skips[len(skips) - len(self.ladder.steps):]
        context, pools = self.pyramid.context_and_pools(coarsest)
        *features, detail = self.ladder.climb(context, skips)
        logits = self.head(detail)
        if self.auxiliary_heads is None:
            return SegmentationOutput(logits, ())
        return SegmentationOutput(logits, self.auxiliary_heads(pools, features))

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        smallest = self.backbone.strides[-1]
        if min(height, width) < smallest:
            raise ModelError(
                'image', must_be=f'at least {smallest} x {smallest} pixels for this network',
                got=f'{width} x {height}', do='use larger images', reason='image_too_small',
            )


class Blending(Enum):
    """Ways to combine the upsampled features and the projected skip connection."""

    SUM = 'sum'
    CONCATENATION = 'concatenation'


class TransitionUp(nn.Module):
    """TU: blends upsampled semantic features with a finer skip connection.

    Args:
        in_channels: Channels of the coarse features.
        skip_channels: Channels of the skip connection.
        reduced_channels: Channels after the 1x1 convolution that precedes the 3x3; None omits
            the 1x1.
        out_channels: Output channels.
        residual: True if the upsampled coarse features are also added to the output, through a
            1x1 convolution if the channel counts differ. The thesis has no such path.
        separable: True if the 3x3 convolution is depthwise separable (DWS).
        blending: See `Blending`.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        *,
        reduced_channels: int | None,
        out_channels: int,
        residual: bool = False,
        separable: bool = False,
        blending: Blending = Blending.SUM,
    ) -> None:
        super().__init__()
        self.blending = blending
        self.project_skip = NormReluConv(skip_channels, in_channels, kernel_size=1)
        width = in_channels if blending is Blending.SUM else 2 * in_channels
        self.reduce: nn.Module = nn.Identity()
        if reduced_channels is not None:
            self.reduce = NormReluConv(width, reduced_channels, kernel_size=1)
            width = reduced_channels
        self.blend = NormReluConv(width, out_channels, kernel_size=3, separable=separable)
        self.shortcut: nn.Module | None = None
        if residual:
            same = in_channels == out_channels
            self.shortcut = (
                nn.Identity() if same else NormReluConv(in_channels, out_channels, kernel_size=1)
            )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) and (N, skip_channels, H, W) to (N, out_channels, H, W)."""
        size = (skip.shape[-2], skip.shape[-1])
        upsampled = F.interpolate(coarse, size, mode='bilinear', align_corners=False)
        projected = self.project_skip(skip)
        if self.blending is Blending.SUM:
            met = upsampled + projected
        else:
            met = torch.cat((upsampled, projected), dim=1)
        blended: Tensor = self.blend(self.reduce(met))
        return blended if self.shortcut is None else blended + self.shortcut(upsampled)


class Ladder(nn.Module):
    """Upsampling path of Figure 4.1: one transition-up per skip connection.

    The thesis gives the width of each step in a drawing only; `docs/models.md` lists the widths
    that reproduce its tables.

    Args:
        in_channels: Channels of the coarsest features.
        skip_channels: Channels of the skip connections, finest first.
        step_channels: Output channels of each step, coarsest first. If empty, the ladder has no
            steps and returns the coarsest features.
        reduced_channels: See `TransitionUp`.
        reduces_narrow: True if a step keeps the 1x1 even if it does not reduce the channels.
        residual: See `TransitionUp`.
        separable: See `TransitionUp`.
        blending: See `TransitionUp`.

    Attributes:
        channels: Input channels of each step.
        out_channels: Output channels of the last step.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: Sequence[int],
        *,
        step_channels: Sequence[int],
        reduced_channels: int | None = 128,
        reduces_narrow: bool = True,
        residual: bool = False,
        separable: bool = False,
        blending: Blending = Blending.SUM,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        *entering, self.out_channels = (in_channels, *step_channels)
        self.channels = tuple(entering)
        for skip, width, step in zip(
            reversed(skip_channels), entering, step_channels, strict=True
        ):
            narrow = reduced_channels is not None and width <= reduced_channels
            self.steps.append(TransitionUp(
                width, skip, out_channels=step, residual=residual, separable=separable,
                reduced_channels=None if narrow and not reduces_narrow else reduced_channels,
                blending=blending,
            ))

    def climb(self, context: Tensor, skips: Sequence[Tensor]) -> list[Tensor]:
        """Compute the features before the first step and after each step.

        Args:
            context: (N, in_channels, h, w), the coarsest features.
            skips: (N, skip_channels[i], h_i, w_i), finest first.

        Returns:
            `context` first, then (N, step_channels[i], h_j, w_j) of each step, finest last.
        """
        features = [context]
        for step, skip in zip(self.steps, reversed(skips), strict=True):
            features.append(step(features[-1], skip))
        return features

    def forward(self, context: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Compute the last output of `climb`, (N, out_channels, h_0, w_0) as the finest skip."""
        return self.climb(context, skips)[-1]


def grid_shape(rows: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns (>= 1) of a grid with nearly square cells over height x width features."""
    return rows, max(1, round(rows * width / height))


class Context(nn.Module, ABC):
    """Context module between the coarsest features and the ladder.

    Attributes:
        out_channels: Output channels.
        pooled_channels: Channels of each pooled tensor; empty if nothing is pooled.
    """

    out_channels: int
    pooled_channels: tuple[int, ...]

    @abstractmethod
    def context_and_pools(self, features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w) and the pooled tensors.

        The pooled tensors are (N, pooled_channels[i], rows, columns), inputs of auxiliary heads.
        """

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w)."""
        return self.context_and_pools(features)[0]


class SpatialPyramid(Context):
    """Spatial pyramid pooling: averages over coarse grids blended with the coarsest features.

    Args:
        in_channels: Channels d of the coarsest features.
        projected_channels: Channels after the first projection, d/2 in the thesis; None omits
            the projection, as in the Pyramid Scene Parsing Network.
        level_channels: Channels of each grid, d/8 in the thesis.
        out_channels: Output channels, d/4 in the thesis.
        grid_rows: Rows of each grid.
        square_cells: True if the columns follow from the aspect ratio of the features; otherwise
            every grid has as many columns as rows.
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
        """See `Context`; returns one pooled tensor per entry of `grid_rows`, in that order."""
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
    """Context without a pyramid: a 1x1 projection and one 3x3 convolution.

    Args:
        in_channels: Channels d of the coarsest features.
        projected_channels: Channels after the projection.
        out_channels: Output channels.

    Source: thesis section 4.6.6, NoSPP. The text mentions only the 3x3 convolution. The size and
    the cost in Table 4.9 also require the projection to d/2 before it.
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
