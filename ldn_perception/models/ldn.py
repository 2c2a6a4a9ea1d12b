# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder DenseNet: backbone, context for the coarsest features, and ladder.

Ladder: Source: thesis section 4.4.3 and Figure 4.3; concatenation instead of the sum is the older
ladder of Krešo et al., Croatian Computer Vision Workshop 2017.

Spatial pyramid: Source: thesis section 4.4.2, Figure 4.2 and Table 4.9; after Zhao et al., Pyramid
Scene Parsing Network, CVPR 2017.
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
    """A feature extractor, as the ladder sees it.

    Attributes:
        channels: Maps of each feature, finest first.
        strides: Image pixels per cell of each of them [px].
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) to one (N, channels[i], h_i, w_i) for every i, finest first."""
        ...


class AuxiliaryHeads(nn.Module):
    """Projections of coarse features onto classes, which only the training looks at.

    Args:
        pooled_channels: Maps of the pooled tensors of the pyramid; empty for no heads there.
        step_channels: Maps of the features that enter each step of the ladder.
        num_classes: Number of logit channels of each head.

    Source: thesis section 4.6.1, equations 4.2 and 4.3; without heads on the pyramid it is the
    pyramid loss of section 5.2. That the ladder's first head sees the pyramid's output is in
    Figure 4.7, which shows predictions at 64 times subsampled resolution.
    """

    def __init__(
        self, pooled_channels: Sequence[int], step_channels: Sequence[int], num_classes: int
    ) -> None:
        super().__init__()
        self.pools = _heads(pooled_channels, num_classes)
        self.steps = _heads(step_channels, num_classes)

    def forward(self, pools: Sequence[Tensor], features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Logits at the native resolution of each feature, those of the pyramid first."""
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
    """A deep, narrowing path down for meaning and a thin ladder up for detail.

    Args:
        backbone: The path down; its last feature feeds the pyramid, the others are skips.
        pyramid: Context for the coarsest features.
        ladder: The path up, one step for each skip it uses, the coarsest first.
        head: CLA, projects the last step onto classes. Upsampling to the image is left to the
            decoder.
        auxiliary_heads: Heads on the way, whose logits are the `auxiliary` of the output.

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
        """Logits at the resolution of the finest skip; see `SegmentationModel.forward`."""
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
    """How the upsampled features and the projected skip connection meet."""

    SUM = 'sum'
    CONCATENATION = 'concatenation'


class TransitionUp(nn.Module):
    """TU: blends upsampled semantic features with a finer skip connection.

    Args:
        in_channels: Maps of the coarse features.
        skip_channels: Maps of the skip connection.
        reduced_channels: Maps of their sum after the 1x1 convolution, before the 3x3; None leaves
            the 1x1 out.
        out_channels: Maps that go out.
        residual: Whether the upsampled coarse features are added to the output once more, through
            a 1x1 convolution where the maps differ in number. The thesis has no such path.
        separable: Whether the 3x3 convolution is depthwise separable (DWS).
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
        """(N, in_channels, h, w) and (N, skip_channels, H, W) to (N, out_channels, H, W)."""
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
    """The upsampling path of Figure 4.1: one transition-up for every skip connection.

    The thesis gives the maps of each step in a drawing only; `docs/models.md` says which ones
    reproduce its tables.

    Args:
        in_channels: Maps of the coarsest features.
        skip_channels: Maps of the skip connections, finest first.
        step_channels: Maps each step gives, in the order of the steps: coarsest first. None at
            all makes a ladder without steps, which returns the coarsest features.
        reduced_channels: See `TransitionUp`.
        reduces_narrow: Whether a step also has the 1x1 where it would not give fewer maps.
        residual: See `TransitionUp`.
        separable: See `TransitionUp`.
        blending: See `TransitionUp`.

    Attributes:
        channels: Maps that enter each step.
        out_channels: Maps of the last step.
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
        """Features before the first step and after each.

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
        """The last of `climb`: (N, out_channels, h_0, w_0) with the finest skip connection's."""
        return self.climb(context, skips)[-1]


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
