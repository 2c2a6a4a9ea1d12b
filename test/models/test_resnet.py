# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.models.registry import count_multiply_adds, count_parameters
from ldn_perception.models.resnet import ResNet, last_norm, resnet18, resnet50, resnet101
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput


class FeaturesAsLogits(SegmentationModel):
    num_classes = 1
    stride = 32
    uses_disparity = False

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, image, pixels_per_metre=None):
        return SegmentationOutput(self.backbone(image)[-1], ())


def build_on_meta(build):
    with torch.device('meta'):
        return build()


def randomise_norms(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values, least in (
                (norm.weight.data, 0.5), (norm.bias.data, -0.5),
                (norm.running_mean, -0.5), (norm.running_var, 0.5),
            ):
                values.copy_(least + torch.rand(values.shape, generator=generator))
    return module.eval()


@pytest.mark.parametrize(
    ('build', 'published', 'channels'),
    [
        (resnet18, 11_689_512, (64, 128, 256, 512)),
        (resnet50, 25_557_032, (256, 512, 1024, 2048)),
        (resnet101, 44_549_160, (256, 512, 1024, 2048)),
    ],
)
def test_parameters_and_channels_are_those_published(build, published, channels):
    backbone = build_on_meta(build)
    classifier = channels[-1] * 1000 + 1000
    assert count_parameters(backbone) + classifier == published
    assert backbone.channels == channels
    assert backbone.strides == (4, 8, 16, 32)


@pytest.mark.parametrize(
    ('build', 'published'), [(resnet18, 1.814), (resnet50, 4.089), (resnet101, 7.801)]
)
def test_multiply_adds_for_an_imagenet_crop_are_those_published(build, published):
    backbone = build_on_meta(build)
    classifier = backbone.channels[-1] * 1000
    total = count_multiply_adds(FeaturesAsLogits(backbone), 224, 224) + classifier
    assert round(total / 1e9, 3) == published


@pytest.mark.parametrize('bottleneck', [False, True])
@pytest.mark.parametrize('size', [(97, 130), (375, 1242), (33, 31), (1, 1)])
def test_sides_are_those_of_the_image_over_the_stride_rounded_up(bottleneck, size):
    with torch.device('meta'):
        backbone = ResNet(stage_sizes=(1, 2, 1, 1), bottleneck=bottleneck, stem_channels=8)
        features = backbone.eval()(torch.empty(2, 3, *size))
    assert [tuple(feature.shape) for feature in features] == [
        (2, channels, *(math.ceil(side / stride) for side in size))
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def strided_unit(bottleneck):
    """A unit that halves the resolution and changes the number of maps."""
    backbone = ResNet(stage_sizes=(1, 1), bottleneck=bottleneck, stem_channels=4)
    return randomise_norms(backbone.stages[1][0])


def reference_layer(features, conv, norm, stride):
    padding = conv.weight.shape[-1] // 2
    filtered = F.conv2d(features, conv.weight, stride=stride, padding=padding)
    mean, variance, scale, offset = (
        values[:, None, None]
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    return (filtered - mean) / (variance + 1e-5).sqrt() * scale + offset


@torch.no_grad()
def test_basic_unit_is_two_convolutions_beside_a_projection():
    unit = strided_unit(bottleneck=False)
    features = torch.randn(2, 4, 7, 9)
    hidden = reference_layer(features, unit.conv1, unit.bn1, 2).clamp(min=0)
    residual = reference_layer(hidden, unit.conv2, unit.bn2, 1)
    expected = (residual + reference_layer(features, *unit.downsample, 2)).clamp(min=0)
    assert unit.conv1.weight.shape == (8, 4, 3, 3)
    assert torch.allclose(unit(features), expected, atol=1e-5)


@torch.no_grad()
def test_bottleneck_unit_has_its_stride_in_the_middle_and_four_times_the_width():
    unit = strided_unit(bottleneck=True)
    features = torch.randn(2, 16, 7, 9)
    hidden = reference_layer(features, unit.conv1, unit.bn1, 1).clamp(min=0)
    hidden = reference_layer(hidden, unit.conv2, unit.bn2, 2).clamp(min=0)
    residual = reference_layer(hidden, unit.conv3, unit.bn3, 1)
    expected = (residual + reference_layer(features, *unit.downsample, 2)).clamp(min=0)
    convs = (unit.conv1, unit.conv2, unit.conv3)
    assert [conv.weight.shape[-1] for conv in convs] == [1, 3, 1]
    assert [conv.weight.shape[0] for conv in convs] == [8, 8, 32]
    assert torch.allclose(unit(features), expected, atol=1e-5)


@torch.no_grad()
def test_unit_that_adds_nothing_passes_its_input_on():
    unit = ResNet(stage_sizes=(1,), stem_channels=5).eval().stages[0][0]
    nn.init.zeros_(last_norm(unit).weight)
    features = torch.randn(1, 5, 6, 8)
    before = features.clone()
    assert torch.equal(unit(features), before.clamp(min=0))
    assert torch.equal(features, before)


@pytest.mark.parametrize(('bottleneck', 'first_stage'), [(False, False), (True, True)])
def test_only_units_that_change_the_shape_have_a_projection(bottleneck, first_stage):
    backbone = ResNet(stage_sizes=(2, 3), bottleneck=bottleneck, stem_channels=4)
    projects = [
        [unit.downsample is not None for unit in stage] for stage in backbone.stages
    ]
    assert projects == [[first_stage, False], [True, False, False]]


@torch.no_grad()
def test_later_stages_leave_the_features_of_earlier_ones_as_they_are():
    backbone = randomise_norms(ResNet(stage_sizes=(1, 1, 1), stem_channels=8))
    image = torch.randn(1, 3, 64, 96)
    alone, current = [], backbone.stem(image)
    for stage in backbone.stages:
        current = stage(current).clone()
        alone.append(current.clone())
    assert all(map(torch.equal, backbone(image), alone))


@torch.no_grad()
def test_moving_the_image_by_a_stride_moves_the_features_by_a_cell():
    # Without offsets nothing stays nothing, so the border of the image has no influence.
    backbone = ResNet(stage_sizes=(1, 1), stem_channels=8).eval()
    image = torch.zeros(1, 3, 160, 160)
    image[:, :, 72:80, 72:80] = torch.randn(1, 3, 8, 8)
    moved = image.roll((8, -16), (2, 3))
    for stride, still, there in zip(
        backbone.strides, backbone(image), backbone(moved), strict=True
    ):
        assert torch.allclose(still.roll((8 // stride, -16 // stride), (2, 3)), there, atol=1e-6)
        assert not torch.allclose(still, there, atol=1e-3)


def test_every_parameter_gets_a_gradient():
    backbone = ResNet(stage_sizes=(1, 1), bottleneck=True, stem_channels=4)
    sum(feature.square().mean() for feature in backbone(torch.randn(2, 3, 32, 32))).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())
