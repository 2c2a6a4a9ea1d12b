# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import copy

from meta_networks import meta_network
import pytest
import torch
import torch.nn.functional as F

from ldn_perception.models.deeplab import (
    ASPP_LARGE,
    DEEPLAB_PRESETS,
    AtrousPyramid,
    ConvolutionalClassifier,
    DilatedResNet,
    DilatedVgg,
    MaxOverScales,
    build_resnet_deeplab,
    build_vgg_deeplab,
)
from ldn_perception.models.registry import count_parameters, initialise
from ldn_perception.models.resnet import ResNet

VGG16_CONVOLUTIONS = 138_357_544 - (25088 * 4096 + 4096) - (4096**2 + 4096) - (4096 * 1000 + 1000)
RESNET101 = 44_549_160 - (2048 * 1000 + 1000)
SLIM = (4, 4, 8, 8, 8)


def on_meta(build):
    with torch.device('meta'):
        return build()


def slim_vgg(rates=(2, 4)):
    model = build_vgg_deeplab(3, rates, hidden_channels=8, group_channels=SLIM)
    initialise(model, 0)
    return model.eval()


def slim_resnet(bottleneck=False):
    backbone = ResNet(stage_sizes=(1, 2, 2, 2), stem_channels=4, bottleneck=bottleneck)
    initialise(backbone, 0)
    return backbone.eval()


@pytest.mark.parametrize(('kernel_size', 'rate', 'hidden_channels', 'millions'), [
    (7, 4, 4096, 134.3), (4, 4, 4096, 65.1), (4, 8, 4096, 65.1), (3, 12, 1024, 20.5),
])
def test_parameters_are_those_of_table_2(kernel_size, rate, hidden_channels, millions):
    model = on_meta(lambda: build_vgg_deeplab(
        21, (rate,), kernel_size=kernel_size, hidden_channels=hidden_channels))
    assert count_parameters(model) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(('kernel_size', 'rate', 'field_px'), [
    (7, 4, 224), (4, 4, 128), (4, 8, 224), (3, 12, 224),
])
def test_field_of_view_of_the_classifier_grows_as_in_table_2(kernel_size, rate, field_px):
    classifier = ConvolutionalClassifier(
        1, 1, rate=rate, kernel_size=kernel_size, hidden_channels=4).eval()
    for weight in classifier.parameters():
        torch.nn.init.ones_(weight)
    cells = torch.zeros(1, 1, 65, 65, requires_grad=True)
    classifier(cells)[0, 0, 32, 32].backward()
    rows = cells.grad[0, 0].any(dim=1).nonzero().flatten()
    extent = int(rows[-1] - rows[0]) + 1
    assert 8 * (extent + 3) == field_px  # the table counts three cells of what lies before
    assert len(rows) == kernel_size


@pytest.mark.parametrize(('name', 'expected'), [
    ('deeplab_large_fov', VGG16_CONVOLUTIONS + 4_719_616 + 1_049_600 + 21_525),
    ('deeplab_aspp_s', VGG16_CONVOLUTIONS + 4 * (4_719_616 + 1_049_600 + 21_525)),
    ('deeplab_aspp_l', VGG16_CONVOLUTIONS + 4 * (4_719_616 + 1_049_600 + 21_525)),
    ('deeplab_resnet101', RESNET101 + 4 * (2048 * 9 * 21 + 21)),
    ('deeplab_msc', RESNET101 + 4 * (2048 * 9 * 21 + 21)),
])
def test_presets_have_the_published_networks_and_their_classifiers(name, expected):
    assert count_parameters(on_meta(lambda: DEEPLAB_PRESETS[name](21))) == expected


@pytest.mark.parametrize(('name', 'rates'), [
    ('deeplab_large_fov', [12]), ('deeplab_aspp_s', [2, 4, 8, 12]),
    ('deeplab_aspp_l', [6, 12, 18, 24]),
])
def test_presets_have_the_rates_of_the_paper(name, rates):
    model = on_meta(lambda: DEEPLAB_PRESETS[name](21))
    assert [branch.fc6.dilation[0] for branch in model.pyramid.branches] == rates


@pytest.mark.parametrize('name', DEEPLAB_PRESETS)
@pytest.mark.parametrize(('height', 'width'), [(97, 130), (64, 96)])
def test_presets_give_logits_at_an_eighth(name, height, width):
    model = meta_network(name)
    logits = model(torch.empty(1, 3, height, width, device='meta')).logits
    assert logits.shape == (1, 5, -(-height // 8), -(-width // 8))
    assert (model.stride, model.num_classes, model.uses_disparity) == (8, 5, False)


@torch.no_grad()
def test_group_5_sees_twice_as_far():
    extractor = DilatedVgg(SLIM)
    initialise(extractor, 0)
    features = torch.randn(1, 8, 12, 14)
    group_5 = extractor.features[-7:-1]
    expected = features
    for conv in (layer for layer in group_5 if isinstance(layer, torch.nn.Conv2d)):
        padded = F.pad(expected, (2, 2, 2, 2))
        summed = conv.bias.view(1, -1, 1, 1) + sum(
            torch.einsum('oi,nihw->nohw', conv.weight[:, :, row, column],
                         padded[..., 2 * row:2 * row + 12, 2 * column:2 * column + 14])
            for row in range(3) for column in range(3))
        expected = summed.relu()
    torch.testing.assert_close(group_5(features), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('bottleneck', [False, True])
@pytest.mark.parametrize(('height', 'width'), [(96, 128), (75, 101)])
def test_every_fourth_cell_is_the_undilated_resnet(bottleneck, height, width):
    backbone = slim_resnet(bottleneck)
    image = torch.randn(1, 3, height, width)
    expected = backbone(image)[-1]
    dense = DilatedResNet(copy.deepcopy(backbone))(image)
    torch.testing.assert_close(dense[..., ::4, ::4], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_branches_of_the_pyramid_are_summed():
    model = slim_vgg(rates=(2, 4, 6))
    features = torch.randn(1, 8, 10, 11)
    a, b, c = (branch(features) for branch in model.pyramid.branches)
    torch.testing.assert_close(model.pyramid(features), a + b + c)
    torch.testing.assert_close(AtrousPyramid([model.pyramid.branches[0]])(features), a)


@torch.no_grad()
def test_scales_are_fused_by_the_largest_logit():
    model = slim_vgg()
    image = torch.randn(2, 3, 64, 96)
    opinions = [
        model(F.interpolate(image, size, mode='bilinear')).logits
        for size in ((32, 48), (48, 72), (64, 96))
    ]
    expected = opinions[2].clone()
    for opinion in opinions[:2]:
        larger = F.interpolate(opinion, (8, 12), mode='bilinear')
        expected = torch.where(larger > expected, larger, expected)
    output = MaxOverScales(model)(image)
    torch.testing.assert_close(output.logits, expected)
    assert output.auxiliary == ()
    supervised = MaxOverScales(model, supervises_scales=True)(image).auxiliary
    assert [tuple(logits.shape[-2:]) for logits in supervised] == [(4, 6), (6, 9), (8, 12)]


def test_gradient_reaches_every_weight():
    model = MaxOverScales(build_resnet_deeplab(3, slim_resnet(), ASPP_LARGE))
    model.train()(torch.randn(2, 3, 64, 64)).logits.square().mean().backward()
    assert all(
        weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())
