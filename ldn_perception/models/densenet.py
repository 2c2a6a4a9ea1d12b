# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""DenseNet as a feature extractor whose third block is split by a pooling layer.

Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017 (DenseNet-BC); the split
is thesis section 4.4.1 and Figure 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ldn_perception.models.norm_relu_conv import NormReluConv


class DenseUnit(nn.Module):
    """One densely connected unit: 1x1 to a bottleneck, 3x3 to `growth` new maps.

    Args:
        in_channels: Maps of everything before it in its block, the block's input included.
        growth: New maps.
        bottleneck: Maps between the two convolutions, as a multiple of `growth`.
    """

    def __init__(self, in_channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.reduce = NormReluConv(in_channels, bottleneck * growth, kernel_size=1)
        self.grow = NormReluConv(bottleneck * growth, growth, kernel_size=3)

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, growth, h, w)."""
        grown: Tensor = self.grow(self.reduce(features))
        return grown


class DenseBlock(nn.Module):
    """A run of units, each working on the concatenation of all before it.

    Args:
        in_channels: Maps that come in.
        num_units: Number of units.
        growth: Maps each unit adds.
        bottleneck: See `DenseUnit`.

    Attributes:
        out_channels: Maps that go out, in_channels + num_units * growth.
    """

    def __init__(self, in_channels: int, num_units: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            DenseUnit(in_channels + index * growth, growth, bottleneck)
            for index in range(num_units)
        )
        self.out_channels = in_channels + num_units * growth

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, h, w)."""
        for unit in self.units:
            features = torch.cat((features, unit(features)), dim=1)
        return features


class TransitionDown(NormReluConv):
    """TD: 1x1 to half the maps, then 2x2 average pooling to half the resolution."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, in_channels // 2, kernel_size=1)
        self.pool = nn.AvgPool2d(2)


class Stem(nn.Sequential):
    """7x7 convolution with stride 2, batch norm, ReLU and max pooling: 1/4 of the resolution.

    Args:
        out_channels: Maps that go out.
        pool: The pooling layer, stride 2; 3x3 as in the ImageNet network where None.
    """

    def __init__(self, out_channels: int, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out_channels, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = pool if pool is not None else nn.MaxPool2d(3, stride=2, padding=1)


class DenseNet(nn.Module):
    """The downsampling path of Figure 4.1: stem, DB1, TD, DB2, TD, DB3a, D, DB3b, TD, DB4.

    There is no norm after the last block: whatever follows begins with one. The units of a split
    block are numbered through its halves, so that ImageNet weights of the undivided block fit.

    Args:
        block_sizes: Units of each dense block; the default is DenseNet-121.
        growth: Maps each unit adds.
        bottleneck: Maps inside a unit, as a multiple of `growth`.
        stem_channels: Maps of the stem.
        split_block: Index of the block that is halved by 2x2 average pooling (D): the first half
            of its units stays before it. None leaves every block whole.
        stem_pool: Pooling layer of the stem, see `Stem`.

    Attributes:
        channels: Maps of each feature `forward` returns, finest first.
        strides: Image pixels per cell of each of them [px].
    """

    def __init__(
        self,
        *,
        block_sizes: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        bottleneck: int = 4,
        stem_channels: int = 64,
        split_block: int | None = 2,
        stem_pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.stem = Stem(stem_channels, stem_pool)
        self.blocks = nn.ModuleList()
        self.downs = nn.ModuleList()
        self.channels: tuple[int, ...] = ()
        width = stem_channels
        for index, size in enumerate(block_sizes):
            halves = (size // 2, size - size // 2) if index == split_block else (size,)
            for half, num_units in enumerate(halves):
                block = DenseBlock(width, num_units, growth, bottleneck)
                self.blocks.append(block)
                width = block.out_channels
                self.channels += (width,)
                if half < len(halves) - 1:
                    self.downs.append(nn.AvgPool2d(2))
            if index < len(block_sizes) - 1:
                self.downs.append(TransitionDown(width))
                width //= 2
        self.strides = tuple(4 << level for level in range(len(self.channels)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Output of every block, finest first.

        Args:
            image: (N, 3, H, W); H and W at least the last of `strides`.

        Returns:
            (N, channels[i], h, w) for every i; h and w are H / strides[i] and W / strides[i],
            rounded up to 1/4 and down from there.
        """
        features = [self.blocks[0](self.stem(image))]
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            features.append(block(down(features[-1])))
        return features
