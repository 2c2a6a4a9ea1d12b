# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.models.registry import MODELS, count_multiply_adds, count_parameters
from ldn_perception.models.resnet import DualPathNet, DualPathUnit, dpn68

SMALL = {
    'stage_sizes': (2, 2, 1, 1), 'growths': (2, 4, 4, 8), 'widths': (8, 16, 32, 64),
    'residuals': (4, 8, 16, 32), 'groups': 4, 'stem_channels': 6,
}


def small_unit(in_channels, **changes):
    settings = {'width': 8, 'residual': 6, 'growth': 3, 'groups': 4, **changes}
    unit = DualPathUnit(in_channels, **settings).eval()
    generator = torch.Generator().manual_seed(0)
    for norm in unit.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
            norm.weight.data.uniform_(0.5, 2, generator=generator)
            norm.bias.data.normal_(generator=generator)
    return unit


def reference_layer(features, layer, stride=1, groups=1):
    norm = layer.norm
    mean, variance, scale, offset = (
        values[:, None, None]
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    normalised = (features - mean) / (variance + 1e-3).sqrt() * scale + offset
    padding = layer.conv.weight.shape[-1] // 2
    return torch.cat([
        F.conv2d(maps, kernels, stride=stride, padding=padding)
        for maps, kernels in zip(
            normalised.clamp(min=0).chunk(groups, 1), layer.conv.weight.chunk(groups), strict=True
        )
    ], dim=1)


def reference_update(features, unit, stride):
    hidden = reference_layer(features, unit.reduce)
    hidden = reference_layer(hidden, unit.transform, stride, groups=4)
    return reference_layer(hidden, unit.expand)


def test_parameters_are_those_published_for_dpn68():
    with torch.device('meta'):
        backbone = dpn68()
    last_norm, classifier = 2 * 832, 832 * 1000 + 1000
    assert count_parameters(backbone) + last_norm + classifier == 12_611_602


def test_printed_cost_fits_stages_whose_first_convolution_has_the_stride():
    with torch.device('meta'):
        model = MODELS['ldpn68_32_4'](19)
    published = count_multiply_adds(model, 1024, 1024)
    for stage in model.backbone.stages[1:]:
        stage[0].reduce.conv.stride, stage[0].transform.conv.stride = (2, 2), (1, 1)
    assert published / 59.0e9 == pytest.approx(1.13, abs=0.005)
    assert count_multiply_adds(model, 1024, 1024) / 59.0e9 == pytest.approx(1.028, abs=0.005)


def test_channels_are_the_residual_maps_and_all_that_has_grown():
    with torch.device('meta'):
        backbone = dpn68()
    assert backbone.channels == (
        64 + (2 + 3) * 16, 128 + (2 + 4) * 32, 256 + (2 + 12) * 32, 512 + (2 + 3) * 64,
    )
    assert backbone.strides == (4, 8, 16, 32)


@torch.no_grad()
def test_unit_adds_on_the_residual_path_and_appends_on_the_dense_path():
    unit = small_unit(10)
    features = torch.randn(2, 10, 5, 7)
    update = reference_update(features, unit, 1)
    expected = torch.cat(
        (features[:, :6] + update[:, :6], features[:, 6:], update[:, 6:]), dim=1
    )
    output = unit(features)
    assert output.shape[1] == unit.out_channels == 13
    assert torch.allclose(output, expected, atol=1e-4)
    assert torch.equal(output[:, 6:10], features[:, 6:])


@pytest.mark.parametrize('stride', [1, 2])
@torch.no_grad()
def test_first_unit_of_a_stage_makes_both_paths_anew(stride):
    unit = small_unit(10, stride=stride, begins_stage=True)
    features = torch.randn(2, 10, 5, 7)
    carried = reference_layer(features, unit.project, stride)
    update = reference_update(features, unit, stride)
    expected = torch.cat((carried[:, :6] + update[:, :6], carried[:, 6:], update[:, 6:]), dim=1)
    assert carried.shape[1] == 6 + 2 * 3
    assert torch.allclose(unit(features), expected, atol=1e-4)


def test_only_the_first_unit_of_a_stage_projects_and_only_later_stages_have_a_stride():
    backbone = DualPathNet(**SMALL)
    projects = [
        [not isinstance(unit.project, nn.Identity) for unit in stage] for stage in backbone.stages
    ]
    assert projects == [[True, False], [True, False], [True], [True]]
    strides = [stage[0].transform.conv.stride for stage in backbone.stages]
    assert strides == [(1, 1), (2, 2), (2, 2), (2, 2)]


@pytest.mark.parametrize('size', [(97, 130), (375, 1242), (33, 31), (1, 1)])
def test_sides_are_those_of_the_image_over_the_stride_rounded_up(size):
    with torch.device('meta'):
        backbone = DualPathNet(**SMALL)
        features = backbone.eval()(torch.empty(2, 3, *size))
    assert [tuple(feature.shape) for feature in features] == [
        (2, channels, *(math.ceil(side / stride) for side in size))
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


@torch.no_grad()
def test_later_stages_leave_the_features_of_earlier_ones_as_they_are():
    backbone = DualPathNet(**SMALL).eval()
    image = torch.randn(1, 3, 64, 96)
    alone, current = [], backbone.stem(image)
    for stage in backbone.stages:
        current = stage(current).clone()
        alone.append(current.clone())
    assert all(map(torch.equal, backbone(image), alone))


@torch.no_grad()
def test_nothing_normalises_a_feature_before_it_is_passed_on():
    feature = DualPathNet(**SMALL).eval()(torch.randn(1, 3, 64, 64))[-1]
    assert feature.min() < 0


@torch.no_grad()
def test_moving_the_image_by_a_stride_moves_the_features_by_a_cell():
    # Without offsets nothing stays nothing, so the border of the image has no influence.
    backbone = DualPathNet(
        stage_sizes=(2, 1), growths=(2, 4), widths=(8, 16), residuals=(4, 8), groups=4
    ).eval()
    image = torch.zeros(1, 3, 160, 160)
    image[:, :, 72:80, 72:80] = torch.randn(1, 3, 8, 8)
    moved = image.roll((8, -16), (2, 3))
    for stride, still, there in zip(
        backbone.strides, backbone(image), backbone(moved), strict=True
    ):
        assert torch.allclose(still.roll((8 // stride, -16 // stride), (2, 3)), there, atol=1e-6)
        assert not torch.allclose(still, there, atol=1e-3)


def test_every_parameter_gets_a_gradient():
    backbone = DualPathNet(**SMALL)
    features = backbone(torch.randn(2, 3, 64, 64))
    sum(feature.square().mean() for feature in features).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters())
