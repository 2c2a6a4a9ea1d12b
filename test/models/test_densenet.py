# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import partial

import pytest
import torch

from ldn_perception.models.densenet import DenseBlock, DenseNet, TransitionDown
from ldn_perception.models.registry import count_parameters


def test_parameters_are_those_published_for_densenet121():
    # torchvision's densenet121 has 7,978,856 parameters, of them the last norm and the classifier.
    last_norm, classifier = 2 * 1024, 1024 * 1000 + 1000
    assert count_parameters(DenseNet()) + last_norm + classifier == 7_978_856


@pytest.mark.parametrize(
    ('settings', 'published', 'width'),
    [
        ({'block_sizes': (6, 12, 32, 32)}, 14_149_480, 1664),
        ({'block_sizes': (6, 12, 36, 24), 'growth': 48, 'stem_channels': 96}, 28_681_000, 2208),
    ],
    ids=['densenet169', 'densenet161'],
)
def test_arguments_give_the_other_published_densenets(settings, published, width):
    backbone = DenseNet(**settings)
    assert count_parameters(backbone) + 2 * width + width * 1000 + 1000 == published
    assert backbone.channels[-1] == width


def test_split_keeps_the_first_half_of_the_units_before_the_pooling():
    backbone = DenseNet()
    assert [len(block.units) for block in backbone.blocks] == [6, 12, 12, 12, 16]
    assert isinstance(backbone.downs[2], torch.nn.AvgPool2d)
    assert [type(down) for down in backbone.downs].count(TransitionDown) == 3


def test_split_adds_no_parameters():
    assert count_parameters(DenseNet()) == count_parameters(DenseNet(split_blocks=()))


@pytest.mark.parametrize(
    ('split_blocks', 'channels'),
    [
        ((2,), (256, 512, 640, 1024, 1024)),
        ((), (256, 512, 1024, 1024)),
        ((2, 3), (256, 512, 640, 1024, 768, 1024)),
    ],
)
def test_declared_channels_are_those_of_figure_4_1(split_blocks, channels):
    backbone = DenseNet(split_blocks=split_blocks)
    assert backbone.channels == channels
    assert backbone.strides == tuple(4 * 2**i for i in range(len(channels)))


def test_features_have_the_declared_channels_and_strides():
    backbone = DenseNet(block_sizes=(2, 2, 4, 2), growth=4, stem_channels=8).eval()
    features = backbone(torch.randn(1, 3, 128, 192))
    shapes = [tuple(feature.shape[1:]) for feature in features]
    assert shapes == [
        (channels, 128 // stride, 192 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]


def test_unit_sees_the_input_and_every_unit_before_it():
    block = DenseBlock(3, 4, growth=2, bottleneck=2).eval()
    features = torch.randn(2, 3, 5, 7)
    parts = [features]
    for unit in block.units:
        parts.append(unit(torch.cat(parts, dim=1)))
    assert torch.equal(block(features), torch.cat(parts, dim=1))


def test_stem_pool_is_an_argument():
    two_by_two = DenseNet(
        block_sizes=(1, 1), growth=4, stem_channels=8, split_blocks=(),
        stem_pool=partial(torch.nn.MaxPool2d, 2),
    )
    assert two_by_two(torch.randn(1, 3, 66, 64))[0].shape[-2:] == (16, 16)
    three_by_three = DenseNet(block_sizes=(1, 1), growth=4, stem_channels=8, split_blocks=())
    assert three_by_three(torch.randn(1, 3, 66, 64))[0].shape[-2:] == (17, 16)


def test_stem_without_pooling_keeps_half_of_the_resolution():
    backbone = DenseNet(
        block_sizes=(1, 1), growth=4, stem_channels=8, split_blocks=(),
        stem_pool=torch.nn.Identity,
    )
    assert backbone.strides == (2, 4)
    assert backbone(torch.randn(1, 3, 32, 48))[0].shape == (1, 12, 16, 24)


def test_stem_feature_is_the_stem_before_its_pooling_and_changes_nothing_else():
    settings = {'block_sizes': (1, 1), 'growth': 4, 'stem_channels': 8, 'split_blocks': ()}
    plain = DenseNet(**settings).eval()
    finer = DenseNet(**settings, stem_feature=True).eval()
    finer.load_state_dict(plain.state_dict())
    image = torch.randn(1, 3, 34, 48)
    finest, *others = finer(image)
    assert finer.channels == (8, *plain.channels)
    assert finer.strides == (2, *plain.strides)
    expected = plain.stem.relu(plain.stem.norm(plain.stem.conv(image)))
    assert torch.equal(finest, expected)
    assert all(torch.equal(a, b) for a, b in zip(others, plain(image), strict=True))


@pytest.mark.parametrize(
    ('dilations', 'channels', 'coarsest'),
    [((1, 1, 2, 4), (256, 1024), 8), ((1, 1, 1, 2), (256, 512, 1024), 16)],
)
def test_dilated_blocks_are_not_preceded_by_pooling(dilations, channels, coarsest):
    backbone = DenseNet(split_blocks=(), dilations=dilations)
    assert backbone.channels == channels
    assert backbone.strides[-1] == coarsest
    assert [
        {unit.grow.conv.dilation for unit in block.units} for block in backbone.blocks
    ] == [{(dilation, dilation)} for dilation in dilations]
    assert count_parameters(backbone) == count_parameters(DenseNet())


def test_dilated_features_are_those_of_pooling_wherever_the_grids_meet():
    settings = {'block_sizes': (1, 1), 'growth': 4, 'stem_channels': 8, 'split_blocks': ()}
    dense = DenseNet(**settings, dilations=(1, 2)).eval()
    strided = DenseNet(**settings).eval()
    strided.load_state_dict(dense.state_dict())
    strided.downs[0].pool = torch.nn.AvgPool2d(1, stride=2)  # picks every other cell
    image = torch.randn(1, 3, 64, 96)
    assert torch.allclose(dense(image)[-1][..., ::2, ::2], strided(image)[-1], atol=1e-5)


def test_units_that_would_widen_can_go_without_their_1x1():
    block = DenseBlock(64, 4, growth=32, bottleneck=4, widens=False)
    assert [isinstance(unit.reduce, torch.nn.Identity) for unit in block.units] == [
        True, True, True, False
    ]
    assert [unit.grow.conv.in_channels for unit in block.units] == [64, 96, 128, 128]
    assert block.eval()(torch.randn(1, 64, 3, 4)).shape == (1, 192, 3, 4)
