# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""DeepLab, the baseline: dilation instead of a loss of resolution.

Source: Chen et al., DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous
Convolution, and Fully Connected CRFs, T-PAMI 2018. The CRF is part of a decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.resnet import ResNet, import_torchvision_models, resnet101
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput

ASPP_SMALL = (2, 4, 8, 12)
"""Dilation rates of ASPP-S [cells]."""

ASPP_LARGE = (6, 12, 18, 24)
"""Dilation rates of ASPP-L [cells]."""


class Extractor(Protocol):
    """Feature extractor with a single output resolution.

    Attributes:
        out_channels: Output channels.
        stride: Image pixels per cell [px].
    """

    out_channels: int
    stride: int

    def __call__(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        ...


class DilatedVgg(nn.Module):
    """VGG-16 at 1/8: pool4 and pool5 keep the resolution, group 5 has rate 2.

    All pools are 3x3. With the 2x2 pools of ImageNet, which the source keeps, those of stride 1
    would lose a cell.

    Args:
        group_channels: Channels of the five groups; the default is VGG-16.

    Raises:
        ModelError: torchvision is not installed or does not fit torch.
    """

    stride = 8

    def __init__(self, group_channels: Sequence[int] = (64, 128, 256, 512, 512)) -> None:
        super().__init__()
        one, two, three, four, five = group_channels
        self.features = import_torchvision_models().vgg.make_layers([
            one, one, 'M', two, two, 'M', three, three, three, 'M', four, four, four, 'M',
            five, five, five, 'M',
        ])
        pools = [layer for layer in self.features if isinstance(layer, nn.MaxPool2d)]
        for pool, stride in zip(pools, (2, 2, 2, 1, 1), strict=True):
            pool.kernel_size, pool.stride, pool.padding = 3, stride, 1
        _dilate(self.features[-7:], 2)
        self.out_channels = five

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, out_channels, ceil(H / 8), ceil(W / 8))."""
        features: Tensor = self.features(image)
        return features


class DilatedResNet(nn.Module):
    """ResNet at 1/8: the last two stages have rates 2 and 4 instead of strides.

    Every fourth cell is exactly the output of the original ResNet at 1/32, so its ImageNet weights
    remain valid. This requires that the 3x3 that lost its stride keeps the rate of the previous
    stage.

    Args:
        backbone: A ResNet of four stages; its last two are modified.
    """

    stride = 8

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone
        for stage, rate in zip(backbone.stages[-2:], (2, 4), strict=True):
            _dilate(stage, rate)
            first = next(iter(stage.children()))
            _dilate_strided(first, rate // 2)
        backbone.strides = (4, 8, 8, 8)
        self.out_channels = backbone.channels[-1]

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, out_channels, ceil(H / 8), ceil(W / 8))."""
        deepest: Tensor = self.backbone(image)[-1]
        return deepest


class AtrousPyramid(nn.Module):
    """ASPP: sum of classifiers with different fields of view.

    Args:
        branches: Modules with the same output shape.
    """

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_channels, h, w) to (N, num_classes, h, w)."""
        first, *others = [branch(features) for branch in self.branches]
        logits: Tensor = sum(others, start=first)
        return logits


class ConvolutionalClassifier(nn.Sequential):
    """Layers fc6, fc7 and fc8 of VGG as convolutions, the first of them dilated.

    Args:
        in_channels: Input channels.
        num_classes: Number of logit channels.
        kernel_size: Width of fc6 [taps].
        rate: Dilation rate of fc6 [cells]; even for an even kernel.
        hidden_channels: Channels of fc6 and fc7.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        rate: int,
        kernel_size: int = 3,
        hidden_channels: int = 1024,
    ) -> None:
        super().__init__()
        self.fc6 = nn.Conv2d(
            in_channels, hidden_channels, kernel_size, dilation=rate,
            padding=rate * (kernel_size - 1) // 2,
        )
        self.relu6 = nn.ReLU(inplace=True)
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Conv2d(hidden_channels, hidden_channels, 1)
        self.relu7 = nn.ReLU(inplace=True)
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Conv2d(hidden_channels, num_classes, 1)


class DeepLab(SegmentationModel):
    """Dilated features and a pyramid of dilated classifiers.

    Args:
        extractor: Dilated feature extractor.
        pyramid: Dilated classifiers.
        num_classes: Number of logit channels.
    """

    uses_disparity = False

    def __init__(self, extractor: Extractor, pyramid: AtrousPyramid, num_classes: int) -> None:
        super().__init__()
        self.extractor = extractor
        self.pyramid = pyramid
        self.stride = extractor.stride
        self.num_classes = num_classes

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        return SegmentationOutput(self.pyramid(self.extractor(image)), ())


class MaxOverScales(SegmentationModel):
    """MSC: maximum of the logits of one network over several image sizes.

    The maximum is taken at the resolution of the logits; the paper takes it at that of the image.

    Args:
        model: The network; it must not use disparity.
        scales: Factors on the sides of the image; the largest one sets the resolution.
        supervises_scales: True if the logits of every scale are returned as `auxiliary`, for a
            loss on each as in the paper.
    """

    uses_disparity = False

    def __init__(
        self,
        model: SegmentationModel,
        scales: Sequence[float] = (0.5, 0.75, 1.0),
        *,
        supervises_scales: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.scales = tuple(scales)
        self.supervises_scales = supervises_scales
        self.stride = model.stride
        self.num_classes = model.num_classes

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at the largest scale; see `SegmentationModel.forward`."""
        opinions = [self.model(_resized(image, scale)).logits for scale in self.scales]
        height, width = max(opinion.shape[-2:] for opinion in opinions)
        fused = torch.stack([
            F.interpolate(opinion, (height, width), mode='bilinear', align_corners=False)
            for opinion in opinions
        ]).amax(dim=0)
        return SegmentationOutput(fused, tuple(opinions) if self.supervises_scales else ())


def build_vgg_deeplab(
    num_classes: int,
    rates: Sequence[int],
    *,
    kernel_size: int = 3,
    hidden_channels: int = 1024,
    group_channels: Sequence[int] = (64, 128, 256, 512, 512),
) -> DeepLab:
    """Build DeepLab over VGG-16, one branch fc6-fc7-fc8 per rate; a single one is LargeFOV."""
    extractor = DilatedVgg(group_channels)
    pyramid = AtrousPyramid([
        ConvolutionalClassifier(
            extractor.out_channels, num_classes, rate=rate, kernel_size=kernel_size,
            hidden_channels=hidden_channels,
        )
        for rate in rates
    ])
    return DeepLab(extractor, pyramid, num_classes)


def build_resnet_deeplab(
    num_classes: int, backbone: ResNet, rates: Sequence[int] = ASPP_LARGE
) -> DeepLab:
    """Build DeepLab over a ResNet, one 3x3 convolution onto the classes per rate."""
    extractor = DilatedResNet(backbone)
    pyramid = AtrousPyramid([
        nn.Conv2d(extractor.out_channels, num_classes, 3, padding=rate, dilation=rate)
        for rate in rates
    ])
    return DeepLab(extractor, pyramid, num_classes)


DEEPLAB_PRESETS: dict[str, Callable[[int], SegmentationModel]] = {
    'deeplab_large_fov': lambda num_classes: build_vgg_deeplab(num_classes, (12,)),
    'deeplab_aspp_s': lambda num_classes: build_vgg_deeplab(num_classes, ASPP_SMALL),
    'deeplab_aspp_l': lambda num_classes: build_vgg_deeplab(num_classes, ASPP_LARGE),
    'deeplab_resnet101': lambda num_classes: build_resnet_deeplab(num_classes, resnet101()),
    'deeplab_msc': lambda num_classes: MaxOverScales(
        build_resnet_deeplab(num_classes, resnet101())
    ),
    'deeplab_vgg_small': lambda num_classes: build_vgg_deeplab(
        num_classes, ASPP_LARGE, hidden_channels=32, group_channels=(8, 16, 32, 64, 64)
    ),
    'deeplab_msc_small': lambda num_classes: MaxOverScales(
        build_resnet_deeplab(num_classes, ResNet(stage_sizes=(1, 1, 2, 1), stem_channels=16))
    ),
}
"""Name -> builder, a function of the number of classes; the small ones are our own."""


def _dilate(module: nn.Module, rate: int) -> None:
    """Remove all strides of a module and set the rate of every 3x3 convolution in it."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            conv.stride = (1, 1)
            if conv.kernel_size == (3, 3):
                conv.dilation = conv.padding = (rate, rate)


def _dilate_strided(unit: nn.Module, rate: int) -> None:
    """Set another rate for the 3x3 convolution that had the stride of a unit."""
    first = next(
        conv for conv in unit.modules()
        if isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3)
    )
    first.dilation = first.padding = (rate, rate)


def _resized(image: Tensor, scale: float) -> Tensor:
    height, width = (max(1, round(side * scale)) for side in image.shape[-2:])
    return F.interpolate(image, (height, width), mode='bilinear', align_corners=False)
