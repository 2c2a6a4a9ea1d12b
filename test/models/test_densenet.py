# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.models.complexity import count_parameters
from ldn_perception.models.densenet import DenseBlock, DenseNet, TransitionDown


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
    assert count_parameters(DenseNet()) == count_parameters(DenseNet(split_block=None))


@pytest.mark.parametrize(
    ('split_block', 'channels'),
    [(2, (256, 512, 640, 1024, 1024)), (None, (256, 512, 1024, 1024))],
)
def test_declared_channels_are_those_of_figure_4_1(split_block, channels):
    backbone = DenseNet(split_block=split_block)
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
        block_sizes=(1, 1), growth=4, stem_channels=8, split_block=None,
        stem_pool=torch.nn.MaxPool2d(2),
    )
    assert two_by_two(torch.randn(1, 3, 66, 64))[0].shape[-2:] == (16, 16)
    three_by_three = DenseNet(block_sizes=(1, 1), growth=4, stem_channels=8, split_block=None)
    assert three_by_three(torch.randn(1, 3, 66, 64))[0].shape[-2:] == (17, 16)
