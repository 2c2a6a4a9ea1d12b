# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder DenseNet, Figure 4.1 of the thesis from left to right and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.ladder import Ladder
from ldn_perception.models.norm_relu_conv import NormReluConv
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.models.spatial_pyramid import Context


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
