# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Residual and dual path networks as feature extractors.

The PyPI wheel of torchvision is built for CUDA. Beside a CPU build of torch its operators cannot
be loaded, and its import fails where it describes them. No network here runs any of them: they are
declared without an implementation, which is sufficient for the import.

Source of ResNet: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, Table 1; the
networks compared in thesis section 4.6. torchvision's own network has 64 channels in its stem and
four stages; here both can be chosen.

Source of the dual path network: Chen et al., Dual Path Networks, NeurIPS 2017, equations 5 to 8
and Table 1. Its smallest network is DPN-92; the sizes of DPN-68 are those of the released network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import Stem

_DESCRIBED_OPERATORS = ('nms', 'qnms')
_SCHEMA = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'


def import_torchvision_models() -> ModuleType:
    """Import torchvision.models.

    Raises:
        ModelError: torchvision is not installed or does not fit the installed torch.
    """
    try:
        try:
            return import_module('torchvision.models')
        except RuntimeError:  # an operator is described that was not loaded
            _declare_missing_operators()
            return import_module('torchvision.models')
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            'package torchvision', must_be='installed for networks on ResNet or VGG-16',
            got=error, do='install the torchvision that fits torch, or choose another network',
        ) from error


def _declare_missing_operators() -> None:
    for operator in _DESCRIBED_OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f'torchvision::{operator}', _SCHEMA)


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

    def units(self) -> Iterator[nn.Module]:
        """Units of all stages, in the order of their use."""
        for stage in self.stages:
            yield from stage.children()

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


class ResNet(StagedBackbone):
    """Stages of residual units; features are non-negative, since a unit ends with ReLU.

    Args:
        stage_sizes: Units of each stage; the default is ResNet-18.
        bottleneck: True if the units are torchvision's `Bottleneck` instead of `BasicBlock`.
        stem_channels: Channels of the stem and width of the first stage, doubled in each stage.

    Raises:
        ModelError: torchvision is not installed or does not fit torch.
    """

    def __init__(
        self,
        *,
        stage_sizes: Sequence[int] = (2, 2, 2, 2),
        bottleneck: bool = False,
        stem_channels: int = 64,
    ) -> None:
        resnet = import_torchvision_models().resnet
        unit_type = resnet.Bottleneck if bottleneck else resnet.BasicBlock
        stages, channels = [], []
        in_channels = stem_channels
        for index, size in enumerate(stage_sizes):
            width = stem_channels << index
            out_channels = unit_type.expansion * width
            stride = 2 if index else 1
            shortcut = _project(in_channels, out_channels, stride)
            stages.append([
                unit_type(in_channels, width, stride, shortcut),
                *(unit_type(out_channels, width) for _ in range(size - 1)),
            ])
            channels.append(out_channels)
            in_channels = out_channels
        super().__init__(Stem(stem_channels), stages, channels)


def last_norm(unit: nn.Module) -> nn.BatchNorm2d:
    """Batch norm of what a residual unit adds to its shortcut."""
    return [layer for layer in unit.children() if isinstance(layer, nn.BatchNorm2d)][-1]


def _project(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


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
