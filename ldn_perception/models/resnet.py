# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ResNet as a feature extractor.

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, Table 1; the networks
to compare with in thesis section 4.6.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.densenet import Stem
from ldn_perception.models.staged_backbone import StagedBackbone


class ConvNorm(nn.Sequential):
    """A convolution without bias and the batch norm after it.

    Args:
        in_channels: Maps that come in.
        out_channels: Maps that go out.
        kernel_size: Odd width of the kernel [px].
        stride: Step of the kernel [px]; sides shrink to 1 / stride, rounded up.
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
        layers: The convolutions; their stride and change of width must be the shortcut's.
        shortcut: A projection where stride or width change, otherwise the identity.
    """

    def __init__(self, layers: Sequence[ConvNorm], shortcut: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """(N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        residual = features
        for layer in self.layers[:-1]:
            residual = F.relu(layer(residual), inplace=True)
        return F.relu(self.layers[-1](residual) + self.shortcut(features), inplace=True)


def basic_unit(in_channels: int, width: int, stride: int) -> ResidualUnit:
    """Two 3x3 convolutions of `width` maps; the first has the stride."""
    layers = (
        ConvNorm(in_channels, width, kernel_size=3, stride=stride),
        ConvNorm(width, width, kernel_size=3),
    )
    return ResidualUnit(layers, _shortcut(in_channels, width, stride))


def bottleneck_unit(in_channels: int, width: int, stride: int) -> ResidualUnit:
    """1x1 to `width` maps, 3x3, and 1x1 to four times as many; the 3x3 has the stride.

    The paper has the stride in the first 1x1, which throws three quarters of the input away. The
    ImageNet weights one can get are for the form used here.
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
    """Stages of residual units; no feature is negative, a unit ends with ReLU.

    Args:
        stage_sizes: Units of each stage; the default is ResNet-18.
        bottleneck: Whether the units are `bottleneck_unit` instead of `basic_unit`.
        stem_channels: Maps of the stem and width of the first stage; it doubles with every stage.
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
    """ResNet-18: 11.2 M parameters."""
    return ResNet()


def resnet50() -> ResNet:
    """ResNet-50: 23.5 M parameters."""
    return ResNet(stage_sizes=(3, 4, 6, 3), bottleneck=True)


def resnet101() -> ResNet:
    """ResNet-101: 42.5 M parameters."""
    return ResNet(stage_sizes=(3, 4, 23, 3), bottleneck=True)
