# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite as a feature extractor.

Source: Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML
2019, Table 1. The Lite variants, for processors without fast sigmoid, follow the TensorFlow
authors' code: no squeeze-and-excitation, ReLU6, and an unscaled stem and last stage.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.segmentation_model import IMAGENET, Normalisation

TENSORFLOW = Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
"""(x - 127) / 128 for x in [0, 255], the normalisation of the published weights."""

_NORM_EPSILON = 1e-3
_STEM_CHANNELS = 32


class StageRow(NamedTuple):
    """One stage, a row of Table 1.

    Attributes:
        repeats: Blocks in EfficientNet-B0.
        kernel_size: Kernel of the depthwise convolutions [px].
        stride: Stride of the first block.
        expansion: Channels inside a block, as a multiple of its input channels.
        channels: Output channels in EfficientNet-B0.
    """

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    StageRow(1, 3, 1, 1, 16),
    StageRow(2, 3, 2, 6, 24),
    StageRow(2, 5, 2, 6, 40),
    StageRow(3, 3, 2, 6, 80),
    StageRow(3, 5, 1, 6, 112),
    StageRow(4, 5, 2, 6, 192),
    StageRow(1, 3, 1, 6, 320),
)

_FEATURE_STAGES = (1, 2, 4, 6)
"""Last stages of each resolution: strides 4, 8, 16 and 32."""


class SameConv(nn.Conv2d):
    """Convolution without bias and with output size ceil(size / stride) on each axis.

    As in TensorFlow's SAME padding, an odd cell of padding goes to the right and to the bottom.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel_size: Odd width of the kernel [px].
        stride: Stride of the kernel [px].
        groups: Channel groups, see `torch.nn.Conv2d`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        rows, columns = (
            _padding(int(size), self.kernel_size[0], self.stride[0])
            for size in features.shape[-2:])
        if rows[0] == rows[1] and columns[0] == columns[1]:
            return F.conv2d(
                features, self.weight, None, self.stride, (rows[0], columns[0]), 1, self.groups)
        return F.conv2d(
            F.pad(features, (*columns, *rows)), self.weight, None, self.stride, 0, 1, self.groups)


def _padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Padding before and after one axis [cells]."""
    total = max(0, (math.ceil(size / stride) - 1) * stride + kernel_size - size)
    return total // 2, total - total // 2


class InvertedBlock(nn.Module):
    """MBConv: 1x1 expansion, depthwise convolution, linear 1x1 projection, and a shortcut.

    Args:
        in_channels: Input channels.
        out_channels: Output channels; there is a shortcut if they equal the input channels and
            the stride is 1.
        kernel_size: Kernel of the depthwise convolution [px].
        stride: Stride of the depthwise convolution.
        expansion: Channels inside, as a multiple of `in_channels`; 1 omits the expansion.

    Source: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, stride: int,
        expansion: int,
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        self.expand: nn.Module = nn.Identity()
        if expansion > 1:
            self.expand = _conv_norm(in_channels, width, kernel_size=1)
        self.depthwise = _conv_norm(
            width, width, kernel_size=kernel_size, stride=stride, groups=width)
        self.project = _conv_norm(width, out_channels, kernel_size=1, activates=False)
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        output: Tensor = self.project(self.depthwise(self.expand(features)))
        return features + output if self.has_shortcut else output


def _conv_norm(
    in_channels: int, out_channels: int, *, kernel_size: int, stride: int = 1, groups: int = 1,
    activates: bool = True,
) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module('conv', SameConv(
        in_channels, out_channels, kernel_size=kernel_size, stride=stride, groups=groups))
    layers.add_module('norm', nn.BatchNorm2d(out_channels, eps=_NORM_EPSILON))
    if activates:
        layers.add_module('relu', nn.ReLU6(inplace=True))
    return layers


class EfficientNetLite(nn.Module):
    """Stem and seven stages of inverted blocks; features at strides 4, 8, 16 and 32.

    Args:
        width: Factor of the channels of every stage, rounded to multiples of 8.
        depth: Factor of the blocks of every stage but the first and the last, rounded up.

    Attributes:
        channels: Channels of each feature, finest first.
        strides: Stride of each feature [px].
    """

    strides: tuple[int, ...] = (4, 8, 16, 32)
    _rescale: Tensor
    _shift: Tensor

    def __init__(self, *, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        scale, shift = _renormalisation(IMAGENET, TENSORFLOW)
        self.register_buffer('_rescale', scale, persistent=False)
        self.register_buffer('_shift', shift, persistent=False)
        self.stem = _conv_norm(3, _STEM_CHANNELS, kernel_size=3, stride=2)
        stages, widths, in_channels = [], [], _STEM_CHANNELS
        for number, row in enumerate(STAGES):
            is_scaled = 0 < number < len(STAGES) - 1
            repeats = math.ceil(row.repeats * depth) if is_scaled else row.repeats
            out_channels = scaled_channels(row.channels, width)
            blocks = []
            for block in range(repeats):
                blocks.append(InvertedBlock(
                    in_channels, out_channels, kernel_size=row.kernel_size,
                    stride=1 if block else row.stride, expansion=row.expansion))
                in_channels = out_channels
            stages.append(nn.Sequential(*blocks))
            widths.append(out_channels)
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(widths[stage] for stage in _FEATURE_STAGES)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Compute the linear output of the last block at each resolution, finest first.

        Args:
            image: (N, 3, H, W), normalised as for every network here. It is renormalised for the
                published weights before any padding.

        Returns:
            (N, channels[i], ceil(H / strides[i]), ceil(W / strides[i])) for every i.
        """
        output = self.stem(image * self._rescale + self._shift)
        features = []
        for number, stage in enumerate(self.stages):
            output = stage(output)
            if number in _FEATURE_STAGES:
                features.append(output)
        return features


def scaled_channels(channels: int, width: float) -> int:
    """Channels times a factor, to the nearest multiple of 8, at least 0.9 of the product."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def _renormalisation(given: Normalisation, wanted: Normalisation) -> tuple[Tensor, Tensor]:
    """Factor and summand, (1, 3, 1, 1) float32, that convert between two normalisations."""
    given_mean, given_std, wanted_mean, wanted_std = (
        _column(values) for values in (given.mean, given.std, wanted.mean, wanted.std))
    return given_std / wanted_std, (given_mean - wanted_mean) / wanted_std


def _column(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


def efficientnet_lite0() -> EfficientNetLite:
    """Build EfficientNet-Lite0: 3.4 M parameters without its classifier, 75.1 % top-1."""
    return EfficientNetLite()


def efficientnet_lite1() -> EfficientNetLite:
    """Build EfficientNet-Lite1: 4.1 M parameters without its classifier, 76.7 % top-1."""
    return EfficientNetLite(depth=1.1)


def efficientnet_lite2() -> EfficientNetLite:
    """Build EfficientNet-Lite2: 4.8 M parameters without its classifier, 77.6 % top-1."""
    return EfficientNetLite(width=1.1, depth=1.2)
