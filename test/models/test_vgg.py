# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn

from ldn_perception.models.registry import count_parameters
from ldn_perception.models.vgg import PyramidNorm, VggFeatures


def cells_that_see(pixel, start, stride, size, count):
    """Indices of the cells whose receptive field [start + i stride, ... + size) has the pixel."""
    return [i for i in range(count) if start + i * stride <= pixel < start + i * stride + size]


@pytest.mark.parametrize('pixel', [0, 77, 128, 135, 255])
def test_receptive_fields_are_those_of_vgg(pixel):
    # By r += (k - 1) j and start -= p j: 44 px from -18 for pool3, 196 px from -90 for relu5_3.
    # A pixel that is not a number shows in every cell that looks at it.
    extractor = VggFeatures((2, 2, 2, 3, 3)).double().eval()
    image = torch.zeros(1, 3, 16, 256, dtype=torch.float64)
    image[0, 0, 8, pixel] = math.nan
    seen = extractor([image])[0][0].isnan().any(dim=1)
    relu5_3 = seen[:3].any(dim=0).view(16, 2)
    assert torch.equal(relu5_3[:, 0], relu5_3[:, 1])
    assert relu5_3[:, 0].nonzero().flatten().tolist() == cells_that_see(pixel, -90, 16, 196, 16)
    pool3 = seen[3:].any(dim=0).nonzero().flatten().tolist()
    assert pool3 == cells_that_see(pixel, -18, 8, 44, 32)


def test_extractor_is_vgg_d():
    extractor = VggFeatures()
    # 14,714,688 is the published number for the convolutions of VGG-16.
    assert count_parameters(extractor) == 14_714_688
    assert extractor.out_channels == 512 + 256
    norms = [name for name, module in extractor.named_modules()
             if isinstance(module, nn.BatchNorm2d)]
    assert norms == ['groups.4.norm5_1', 'groups.4.norm5_2', 'groups.4.norm5_3']


def test_norm_in_training_has_the_statistics_of_all_levels_together():
    generator = torch.Generator().manual_seed(0)
    sizes = [(6, 8), (3, 5), (1, 1)]
    levels = [torch.randn(2, 3, *size, generator=generator) + size[0] for size in sizes]
    norm = PyramidNorm(3).train()
    outputs = norm.normalise(levels)
    for channel in range(3):
        values = [float(v) for level in levels for v in level[:, channel].flatten()]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        for level, output in zip(levels, outputs, strict=True):
            expected = (level[:, channel] - mean) / math.sqrt(variance + 1e-5)
            assert torch.allclose(output[:, channel], expected, atol=1e-5)
        assert float(norm.running_mean[channel]) == pytest.approx(0.1 * mean, rel=1e-4)


def test_levels_do_not_influence_each_other_in_evaluation():
    extractor = VggFeatures((2, 3, 4, 5, 6), normalised_groups=range(1, 6)).eval()
    levels = [torch.randn(1, 3, 48, 32), torch.randn(1, 3, 16, 16)]
    together = extractor(levels)
    for level, features in zip(levels, together, strict=True):
        assert torch.allclose(features, extractor([level])[0], atol=1e-6)


def test_group_5_is_normalised_before_each_non_linearity_without_learnable_parameters():
    norms = [m for m in VggFeatures().modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 3
    assert all(not norm.affine and not list(norm.parameters()) for norm in norms)
    kinds = [type(layer) for layer in VggFeatures().groups[4]]
    assert kinds == [nn.Conv2d, PyramidNorm, nn.ReLU] * 3
    assert not any(isinstance(layer, PyramidNorm) for layer in VggFeatures().groups[3])


def test_without_pool3_the_maps_of_relu5_3_go_out_as_they_are_beside_it():
    both = VggFeatures((2, 3, 4, 5, 6)).eval()
    deep = VggFeatures((2, 3, 4, 5, 6), with_pool3=False).eval()
    deep.load_state_dict(both.state_dict())
    image = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    (features,), (deeper,) = both([image]), deep([image])
    assert (both.out_channels, deep.out_channels) == (6 + 4, 6)
    assert deeper.shape == (1, 6, 4, 6)
    assert torch.equal(deeper, features[:, :6])


def test_pool3_is_the_third_group_halved():
    extractor = VggFeatures((2, 3, 4, 5, 6)).eval()
    features = image = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    for group in extractor.groups[:3]:
        for layer in group:
            features = layer(features)
        features = nn.functional.max_pool2d(features, 2)
    assert torch.allclose(extractor([image])[0][:, 6:], features, atol=1e-6)


def test_cell_looks_as_far_as_it_says_and_not_a_pixel_further():
    # With equal positive weights a bright pixel anywhere in sight raises a cell.
    extractor = VggFeatures((1, 1, 1, 1, 1), (), with_pool3=False).double()
    for name, values in extractor.named_parameters():
        nn.init.constant_(values, 1 / 9 if name.endswith('weight') else 0)
    dark = torch.ones(1, 3, 320, 320, dtype=torch.float64)

    def is_seen(row, column):
        bright = dark.clone()
        bright[..., row, column] = 1e12
        with torch.no_grad():
            cells = [extractor([image])[0][0, 0, 20, 20] for image in (dark, bright)]
        return bool(cells[1] > cells[0])

    reach = extractor.reach_px
    assert reach == 90
    pixels = [(160 - reach, 160), (175 + reach, 175 + reach),
              (160 - reach - 1, 160), (170, 175 + reach + 1)]
    assert [is_seen(*pixel) for pixel in pixels] == [True, True, False, False]
