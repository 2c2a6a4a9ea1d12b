# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""VGG-D as the single-scale feature extractor of the scale-invariant network.

Source: thesis section 3.2.2; Simonyan and Zisserman, Very Deep Convolutional Networks for
Large-Scale Image Recognition, ICLR 2015 (configuration D).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn
import torch.nn.functional as F

_CONVOLUTIONS = (2, 2, 3, 3, 3)
_SKIP_GROUP = 3


class PyramidNorm(nn.BatchNorm2d):
    """Batch norm without learnable parameters, over all levels of a pyramid at once.

    In training the statistics are over all cells of all levels. Objects are then normalised alike
    on every level, and the running statistics match training. Per-level statistics would
    normalise small levels by only a few cells.

    Args:
        channels: Input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)

    def normalise(self, levels: list[Tensor]) -> list[Tensor]:
        """Map (N, channels, h_l, w_l) to the same shape, for every level."""
        if not self.training:
            return [self(level) for level in levels]
        cells = self(torch.cat([level.flatten(2) for level in levels], dim=2)[:, :, None])
        parts = cells[:, :, 0].split([level[0, 0].numel() for level in levels], dim=2)
        return [part.view_as(level) for part, level in zip(parts, levels, strict=True)]


class VggGroup(nn.Sequential):
    """3x3 convolutions of one resolution, each followed by ReLU, for all levels of a pyramid.

    Args:
        number: Number of the group, 1 to 5; the convolutions have the published names.
        in_channels: Input channels.
        out_channels: Channels of every convolution.
        normalised: True if each ReLU is preceded by batch norm without learnable parameters.
    """

    def __init__(
        self, number: int, in_channels: int, out_channels: int, *, normalised: bool
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for index in range(1, _CONVOLUTIONS[number - 1] + 1):
            name = f'{number}_{index}'
            layers[f'conv{name}'] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
            if normalised:
                layers[f'norm{name}'] = PyramidNorm(out_channels)
            layers[f'relu{name}'] = nn.ReLU()
            in_channels = out_channels
        super().__init__(layers)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Map (N, in_channels, h_l, w_l) to (N, out_channels, h_l, w_l), for every level."""
        for layer in self:
            if isinstance(layer, PyramidNorm):
                levels = layer.normalise(levels)
            else:
                levels = [layer(level) for level in levels]
        return levels


class VggFeatures(nn.Module):
    """relu5_3, upsampled twofold by nearest neighbour, concatenated with pool3.

    The receptive field of relu5_3 is 196 px and that of pool3 44 px, by the arithmetic of their
    kernels and strides; the thesis prints 185 px and 40 px.

    Args:
        group_channels: Channels of the five groups; the default is VGG-D.
        normalised_groups: Numbers of the groups with batch norm. In the thesis only group 5 has
            it; the others start from ImageNet weights. Training from scratch needs it in all.
        with_pool3: True if pool3 is concatenated. Otherwise relu5_3 is upsampled too, so that the
            back end has the same grid and context.

    Attributes:
        out_channels: Output channels: those of group 5 plus, with pool3, those of group 3.
        stride: Image pixels per cell [px].
        size_multiple: Required divisor of the height and width of the image [px].
        reach_px: Reach of a cell of relu5_3 beyond its 16 pixels on every side [px].
    """

    stride = 8
    size_multiple = 16
    reach_px = sum(number << group for group, number in enumerate(_CONVOLUTIONS))

    def __init__(
        self,
        group_channels: Sequence[int] = (64, 128, 256, 512, 512),
        normalised_groups: Collection[int] = (5,),
        *,
        with_pool3: bool = True,
    ) -> None:
        super().__init__()
        widths = (3, *group_channels)
        self.groups = nn.ModuleList(
            VggGroup(
                number, widths[number - 1], widths[number], normalised=number in normalised_groups
            )
            for number in range(1, len(_CONVOLUTIONS) + 1)
        )
        self.with_pool3 = with_pool3
        self.out_channels = widths[5] + (widths[_SKIP_GROUP] if with_pool3 else 0)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Compute the features of every level of an image pyramid.

        Args:
            levels: (N, 3, H_l, W_l) per level; H_l and W_l are multiples of 16.

        Returns:
            (N, out_channels, H_l / 8, W_l / 8) per level.
        """
        features = levels
        for group in self.groups[:_SKIP_GROUP]:
            features = _halve(group(features))
        pool3 = features
        for group in self.groups[_SKIP_GROUP:-1]:
            features = _halve(group(features))
        relu5_3 = self.groups[-1](features)
        upsampled = [F.interpolate(deep, scale_factor=2.0, mode='nearest') for deep in relu5_3]
        if not self.with_pool3:
            return upsampled
        return [torch.cat(pair, dim=1) for pair in zip(upsampled, pool3, strict=True)]


def _halve(levels: list[Tensor]) -> list[Tensor]:
    return [F.max_pool2d(level, 2) for level in levels]
