# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder DenseNet, Figure 4.1 of the thesis from left to right and back."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ldn_perception.errors import ModelError
from ldn_perception.models.ladder import Ladder
from ldn_perception.models.norm_relu_conv import NormReluConv
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.models.spatial_pyramid import SpatialPyramid


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


class LadderDenseNet(SegmentationModel):
    """A deep, narrowing path down for meaning and a thin ladder up for detail.

    Args:
        backbone: The path down; its last feature feeds the pyramid, the others are skips.
        pyramid: Context for the coarsest features.
        ladder: The path up, one step for each skip.
        head: CLA, projects the last step onto classes. Upsampling to the image is left to the
            decoder.

    Source: thesis section 4.4 and Figure 4.1; Krešo et al., Efficient Ladder-style DenseNets for
    Semantic Segmentation of Large Images, IEEE T-ITS 2020.
    """

    uses_disparity = False

    def __init__(
        self,
        backbone: Backbone,
        pyramid: SpatialPyramid,
        ladder: Ladder,
        head: NormReluConv,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pyramid = pyramid
        self.ladder = ladder
        self.head = head
        self.stride = backbone.strides[0]
        self.num_classes = head.conv.out_channels

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Logits at the resolution of the finest skip; see `SegmentationModel.forward`."""
        self._check_size(image)
        *skips, coarsest = self.backbone(image)
        context = self.pyramid(coarsest)
        detail = self.ladder(context, skips)
        return SegmentationOutput(self.head(detail), ())

    def _check_size(self, image: Tensor) -> None:
        height, width = image.shape[-2:]
        smallest = self.backbone.strides[-1]
        if min(height, width) < smallest:
            raise ModelError(
                'image', must_be=f'at least {smallest} x {smallest} pixels for this network',
                got=f'{width} x {height}', do='use larger images', reason='image_too_small',
            )
