# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""DenseNet as a feature extractor, and its building blocks.

Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017 (DenseNet-BC). The split
block is thesis section 4.4.1 and Figure 4.1; the dilated variants are those of Table 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, nn


class NormReluConv(nn.Sequential):
    """Batch norm, ReLU and a convolution that keeps the resolution, in this order.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd width of the kernel [px].
        bias: True if the convolution has a bias; only heads need one.
        dilation: Dilation of the kernel [px].
        separable: True if the convolution is a `SeparableConv`.

    Attributes:
        out_channels: Output channels.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017, section 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        bias: bool = False,
        dilation: int = 1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.out_channels = out_channels
        self.conv: nn.Module
        if separable:
            self.conv = SeparableConv(in_channels, out_channels, kernel_size=kernel_size)
        else:
            self.conv = nn.Conv2d(
                in_channels, out_channels, kernel_size,
                padding=dilation * (kernel_size // 2), dilation=dilation, bias=bias,
            )


class SeparableConv(nn.Sequential):
    """Depthwise separable convolution: depthwise, then 1x1.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd width of the depthwise kernel [px].

    Source: Chollet, Xception, CVPR 2017; in the ladder: thesis section 4.6.6 and Table 4.9.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)


class DenseUnit(nn.Module):
    """Densely connected unit: 1x1 to a bottleneck, 3x3 to `growth` new channels.

    Args:
        in_channels: Channels of the block input and of all preceding units together.
        growth: New channels.
        bottleneck: Channels between the two convolutions, as a multiple of `growth`.
        dilation: Dilation of the 3x3 convolution [px].
        widens: True if the 1x1 is kept even if it does not reduce the channels, as in every
            network trained on ImageNet.
    """

    def __init__(
        self,
        in_channels: int,
        growth: int,
        bottleneck: int,
        *,
        dilation: int = 1,
        widens: bool = True,
    ) -> None:
        super().__init__()
        self.reduce: nn.Module
        if widens or in_channels > bottleneck * growth:
            self.reduce = NormReluConv(in_channels, bottleneck * growth, kernel_size=1)
            in_channels = bottleneck * growth
        else:
            self.reduce = nn.Identity()
        self.grow = NormReluConv(in_channels, growth, kernel_size=3, dilation=dilation)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, growth, h, w)."""
        grown: Tensor = self.grow(self.reduce(features))
        return grown


class DenseBlock(nn.Module):
    """Sequence of units, each fed with the concatenation of all preceding outputs.

    Args:
        in_channels: Input channels.
        num_units: Number of units.
        growth: Channels added by each unit.
        bottleneck: See `DenseUnit`.
        dilation: See `DenseUnit`.
        widens: See `DenseUnit`.

    Attributes:
        out_channels: Output channels, in_channels + num_units * growth.
    """

    def __init__(
        self,
        in_channels: int,
        num_units: int,
        growth: int,
        bottleneck: int,
        *,
        dilation: int = 1,
        widens: bool = True,
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            DenseUnit(
                in_channels + index * growth, growth, bottleneck, dilation=dilation, widens=widens
            )
            for index in range(num_units)
        )
        self.out_channels = in_channels + num_units * growth

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, h, w)."""
        for unit in self.units:
            features = torch.cat((features, unit(features)), dim=1)
        return features


class TransitionDown(NormReluConv):
    """TD: 1x1 to half the channels, then 2x2 average pooling to half the resolution.

    Args:
        in_channels: Input channels.
        pools: True if the pooling is present; False before a dilated block.
    """

    def __init__(self, in_channels: int, *, pools: bool = True) -> None:
        super().__init__(in_channels, in_channels // 2, kernel_size=1)
        self.pool = nn.AvgPool2d(2) if pools else nn.Identity()


class Stem(nn.Sequential):
    """7x7 convolution with stride 2, batch norm, ReLU and max pooling: 1/4 of the resolution.

    Args:
        out_channels: Output channels.
        pool: Pooling layer with stride 2; None for 3x3 max pooling as in the ImageNet network.
    """

    def __init__(self, out_channels: int, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out_channels, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.pool = pool if pool is not None else nn.MaxPool2d(3, stride=2, padding=1)


class DenseNet(nn.Module):
    """Downsampling path of Figure 4.1: stem, DB1, TD, DB2, TD, DB3a, D, DB3b, TD, DB4.

    There is no norm after the last block: the next module begins with one. The units of a split
    block are numbered through both halves, so that ImageNet weights of the undivided block fit.

    Args:
        block_sizes: Units of each dense block; the default is DenseNet-121.
        growth: Channels added by each unit.
        bottleneck: Channels inside a unit, as a multiple of `growth`.
        stem_channels: Channels of the stem.
        split_blocks: Indices of the blocks that are split by 2x2 average pooling (D) after the
            first half of their units.
        dilations: Dilation of each block, see `DenseUnit`; empty for none. The transition before
            a dilated block does not pool.
        widens: See `DenseUnit`.
        stem_pool: Builds the pooling layer of the stem, see `Stem`; nn.Identity omits it.
        stem_feature: True if the stem output before pooling is the finest feature, at 1/2.

    Attributes:
        channels: Channels of each feature returned by `forward`, finest first.
        strides: Stride of each feature [px].
    """

    def __init__(
        self,
        *,
        block_sizes: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        bottleneck: int = 4,
        stem_channels: int = 64,
        split_blocks: Collection[int] = (2,),
        dilations: Sequence[int] = (),
        widens: bool = True,
        stem_pool: Callable[[], nn.Module] | None = None,
        stem_feature: bool = False,
    ) -> None:
        super().__init__()
        self.stem = Stem(stem_channels, stem_pool() if stem_pool is not None else None)
        self.stem_pool: nn.Module | None = None
        if stem_feature:
            self.stem_pool, self.stem.pool = self.stem.pool, nn.Identity()
        self.blocks = nn.ModuleList()
        self.downs = nn.ModuleList()
        width = stem_channels
        widths: list[int] = []
        dilations = dilations or [1] * len(block_sizes)
        for index, (size, dilation) in enumerate(zip(block_sizes, dilations, strict=True)):
            if index > 0:
                self.downs.append(TransitionDown(width, pools=dilation == 1))
                width //= 2
            halves = (size // 2, size - size // 2) if index in split_blocks else (size,)
            for half, num_units in enumerate(halves):
                if half > 0:
                    self.downs.append(nn.AvgPool2d(2))
                block = DenseBlock(
                    width, num_units, growth, bottleneck, dilation=dilation, widens=widens
                )
                self.blocks.append(block)
                width = block.out_channels
                widths.append(width)
        kept = [width for width, down in zip(widths, self.downs, strict=False) if _halves(down)]
        self.channels = (*((stem_channels,) if stem_feature else ()), *kept, widths[-1])
        finest = 2 if stem_feature or isinstance(self.stem.pool, nn.Identity) else 4
        self.strides = tuple(finest << level for level in range(len(self.channels)))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the output of the last block at each resolution, finest first.

        Args:
            image: (N, 3, H, W); H and W at least the last of `strides`.

        Returns:
            (N, channels[i], h, w) for every i; h and w are H / strides[i] and W / strides[i],
            rounded up to 1/4 (1/2 without pooling in the stem) and down from there.
        """
        features = []
        current = self.stem(image)
        if self.stem_pool is not None:
            features.append(current)
            current = self.stem_pool(current)
        current = self.blocks[0](current)
        for down, block in zip(self.downs, self.blocks[1:], strict=True):
            if _halves(down):
                features.append(current)
            current = block(down(current))
        return [*features, current]


def _halves(down: nn.Module) -> bool:
    return isinstance(getattr(down, 'pool', down), nn.AvgPool2d)
