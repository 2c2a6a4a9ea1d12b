# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Residual and dual path networks as feature extractors.

Source of ResNet: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, Table 1; the
networks compared in thesis section 4.6.

Source of the dual path network: Chen et al., Dual Path Networks, NeurIPS 2017, equations 5 to 8
and Table 1. Its smallest network is DPN-92; the sizes of DPN-68 are those of the released network.
"""


from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.densenet import Stem


class StagedBackbone(nn.Module):
    """Stem and stages of units; each stage after the first halves the resolution.

    Args:
        stem: Module from the image to 1/4 of its resolution.
        stages: Units of each stage; the first unit of each but the first has stride 2.
        channels: Output channels of each stage.

    Attributes:
        channels: Channels of each feature `forward` returns, finest first.
        strides: Stride of each feature [px].
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
        """Compute the output of every stage, finest first.

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


class ConvNorm(nn.Sequential):
    """Convolution without bias, followed by batch norm.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd width of the kernel [px].
        stride: Stride of the kernel [px]; sides shrink to 1 / stride, rounded up.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels)


class ResidualUnit(nn.Module):
    """Convolutions beside a shortcut: ReLU between them, ReLU after the sum.

    Args:
        layers: The convolutions; their stride and output channels must match the shortcut's.
        shortcut: A projection if stride or channels change, otherwise the identity.
    """

    def __init__(self, layers: Sequence[ConvNorm], shortcut: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        residual = features
        for layer in self.layers[:-1]:
            residual = F.relu(layer(residual), inplace=True)
        return F.relu(self.layers[-1](residual) + self.shortcut(features), inplace=True)


def basic_unit(in_channels: int, width: int, stride: int) -> ResidualUnit:
    """Build a unit of two 3x3 convolutions with `width` channels; the first has the stride."""
    layers = (
        ConvNorm(in_channels, width, kernel_size=3, stride=stride),
        ConvNorm(width, width, kernel_size=3),
    )
    return ResidualUnit(layers, _shortcut(in_channels, width, stride))


def bottleneck_unit(in_channels: int, width: int, stride: int) -> ResidualUnit:
    """Build a unit: 1x1 to `width` channels, 3x3 with the stride, 1x1 to four times as many.

    The paper puts the stride in the first 1x1, which discards three quarters of the input. The
    available ImageNet weights are for the form used here.
    """
    layers = (
        ConvNorm(in_channels, width, kernel_size=1),
        ConvNorm(width, width, kernel_size=3, stride=stride),
        ConvNorm(width, 4 * width, kernel_size=1),
    )
    return ResidualUnit(layers, _shortcut(in_channels, 4 * width, stride))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return ConvNorm(in_channels, out_channels, kernel_size=1, stride=stride)


class ResNet(StagedBackbone):
    """Stages of residual units; features are non-negative, since a unit ends with ReLU.

    Args:
        stage_sizes: Units of each stage; the default is ResNet-18.
        bottleneck: True if the units are `bottleneck_unit` instead of `basic_unit`.
        stem_channels: Channels of the stem and width of the first stage, doubled in each stage.
    """

    def __init__(
        self,
        *,
        stage_sizes: Sequence[int] = (2, 2, 2, 2),
        bottleneck: bool = False,
        stem_channels: int = 64,
    ) -> None:
        build_unit = bottleneck_unit if bottleneck else basic_unit
        expansion = 4 if bottleneck else 1
        stages, channels = [], []
        in_channels = stem_channels
        for index, size in enumerate(stage_sizes):
            width = stem_channels << index
            units = []
            for unit in range(size):
                units.append(build_unit(in_channels, width, 2 if index and not unit else 1))
                in_channels = expansion * width
            stages.append(units)
            channels.append(in_channels)
        super().__init__(Stem(stem_channels), stages, channels)


def resnet18() -> ResNet:
    """Build ResNet-18: 11.2 M parameters."""
    return ResNet()


def resnet50() -> ResNet:
    """Build ResNet-50: 23.5 M parameters."""
    return ResNet(stage_sizes=(3, 4, 6, 3), bottleneck=True)


def resnet101() -> ResNet:
    """Build ResNet-101: 42.5 M parameters."""
    return ResNet(stage_sizes=(3, 4, 23, 3), bottleneck=True)


_NORM_EPSILON = 1e-3
"""Epsilon of the released network's batch norms, a hundred times the usual one."""


class NormReluGroupedConv(nn.Sequential):
    """Batch norm, ReLU and a convolution, possibly in groups and with a stride.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd width of the kernel [px].
        stride: Stride of the kernel [px]; sides shrink to 1 / stride, rounded up.
        groups: Channel groups of the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels, eps=_NORM_EPSILON)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride=stride, padding=kernel_size // 2,
            groups=groups, bias=False,
        )


class DualPathUnit(nn.Module):
    """Unit on two paths: some of its output channels are added, the others appended.

    The first `residual` channels are the residual path, the remaining ones the dense path.

    Args:
        in_channels: Input channels of both paths together.
        width: Channels between the convolutions.
        residual: Channels of the residual path.
        growth: Channels appended to the dense path.
        groups: Groups of the 3x3 convolution.
        stride: Stride of the unit [px]; above 1 only in the first unit of a stage.
        begins_stage: True if a 1x1 convolution computes both paths anew, the dense one with twice
            `growth` channels, instead of passing on the input.

    Attributes:
        out_channels: Output channels of both paths together.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int,
        residual: int,
        growth: int,
        groups: int,
        stride: int = 1,
        begins_stage: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        carried = residual + 2 * growth if begins_stage else in_channels
        self.out_channels = carried + growth
        self.project: nn.Module = nn.Identity()
        if begins_stage:
            self.project = NormReluGroupedConv(in_channels, carried, kernel_size=1, stride=stride)
        self.reduce = NormReluGroupedConv(in_channels, width, kernel_size=1)
        self.transform = NormReluGroupedConv(
            width, width, kernel_size=3, stride=stride, groups=groups
        )
        self.expand = NormReluGroupedConv(width, residual + growth, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        carried = self.project(features)
        update = self.expand(self.transform(self.reduce(features)))
        added = carried[:, :self.residual] + update[:, :self.residual]
        return torch.cat(
            (added, carried[:, self.residual:], update[:, self.residual:]), dim=1
        )


class SmallStem(nn.Sequential):
    """3x3 convolution with stride 2, batch norm, ReLU and max pooling: 1/4 of the resolution.

    Args:
        out_channels: Output channels.
    """

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out_channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, eps=_NORM_EPSILON)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)


class DualPathNet(StagedBackbone):
    """Stages of dual path units; a feature is the concatenation of both paths.

    There is no norm and no ReLU after a stage: the next stage, the pyramid or the ladder begins
    with them. The default is DPN-68.

    Args:
        stage_sizes: Units of each stage.
        growths: Channels appended to the dense path by each unit of a stage.
        widths: Channels between the convolutions in each stage.
        residuals: Channels of the residual path in each stage.
        groups: Groups of the 3x3 convolutions.
        stem_channels: Channels of the stem.
    """

    def __init__(
        self,
        *,
        stage_sizes: Sequence[int] = (3, 4, 12, 3),
        growths: Sequence[int] = (16, 32, 32, 64),
        widths: Sequence[int] = (128, 256, 512, 1024),
        residuals: Sequence[int] = (64, 128, 256, 512),
        groups: int = 32,
        stem_channels: int = 10,
    ) -> None:
        stages, channels = [], []
        in_channels = stem_channels
        sizes = zip(stage_sizes, growths, widths, residuals, strict=True)
        for index, (size, growth, width, residual) in enumerate(sizes):
            units = []
            for number in range(size):
                unit = DualPathUnit(
                    in_channels, width=width, residual=residual, growth=growth, groups=groups,
                    stride=2 if index and not number else 1, begins_stage=number == 0,
                )
                units.append(unit)
                in_channels = unit.out_channels
            stages.append(units)
            channels.append(in_channels)
        super().__init__(SmallStem(stem_channels), stages, channels)


def dpn68() -> DualPathNet:
    """Build DPN-68: 11.8 M parameters."""
    return DualPathNet()
