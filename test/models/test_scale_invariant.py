# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.complexity import count_multiply_adds, count_parameters
from ldn_perception.models.registry import build_model
from ldn_perception.models.scale_invariant import BackEnd, ScaleInvariantNetwork
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.vgg import PyramidNorm, VggFeatures


def small_network(**multiplexer_settings):
    torch.manual_seed(0)
    extractor = VggFeatures((2, 3, 4, 5, 6), normalised_groups=(5,))
    multiplexer = ScaleMultiplexer(**multiplexer_settings)
    back_end = BackEnd(
        10 * len(multiplexer.reference_widths_m), 3, hidden_channels=(5, 5), kernel_size=3
    )
    return ScaleInvariantNetwork(extractor, multiplexer, back_end).eval()


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


def test_thesis_size_back_end_has_its_maps():
    model = build_model('scale_invariant', 19)
    shapes = [tuple(m.weight.shape) for m in model.back_end if isinstance(m, nn.Conv2d)]
    assert shapes == [(1024, 3 * 768, 7, 7), (1024, 1024, 1, 1), (19, 1024, 1, 1)]
    assert model.multiplexer.reference_widths_m == (1.0, 4.0, 7.0)
    assert model.multiplexer.receptive_field_px == 185.0
    assert (model.multiplexer.pyramid_factor, model.multiplexer.num_levels) == (1.3, 8)


def test_small_network_stays_within_its_budget():
    assert count_multiply_adds(build_model('scale_invariant_small', 39), 320, 640) <= 4e9


def test_without_any_depth_every_reference_width_sees_the_original_image():
    network = small_network()
    image = torch.randn(1, 3, 48, 64)
    logits = network(image, torch.full((1, 48, 64), math.nan)).logits
    (features,) = network.extractor([image])
    assert torch.allclose(logits, network.back_end(torch.cat([features] * 3, dim=1)), atol=1e-6)


def test_near_point_is_seen_on_the_shrunken_image():
    network = small_network(reference_widths_m=(1.0,), pyramid_factor=2.0, num_levels=2)
    image = torch.randn(1, 3, 64, 96)
    logits = network(image, torch.full((1, 64, 96), 185.0 * 2)).logits
    shrunken = F.interpolate(image, (32, 48), mode='bilinear', antialias=True)
    features = F.interpolate(network.extractor([shrunken])[0], scale_factor=2, mode='nearest')
    assert torch.allclose(logits, network.back_end(features), atol=1e-6)


def test_pyramid_levels_are_multiples_of_16_and_never_vanish():
    sizes = [tuple(level.shape[-2:]) for level in small_network()._pyramid(
        torch.zeros(1, 3, 48, 384))]
    expected = []
    for level in range(8):
        expected.append(tuple(
            max(16, 16 * round(side / 1.3**level / 16)) for side in (48, 384)
        ))
    assert sizes == expected
    assert sizes[-1] == (16, 64)


def test_image_is_padded_by_repeating_its_border():
    network = small_network()
    image, scale = torch.randn(1, 3, 41, 50), 150 * torch.rand(1, 41, 50)
    rows, columns = torch.arange(48).clamp(max=40), torch.arange(64).clamp(max=49)
    padded = network(image[:, :, rows][..., columns], scale[:, rows][..., columns]).logits
    assert torch.equal(network(image, scale).logits, padded[..., :6, :7])


def test_scale_of_another_size_is_refused():
    with pytest.raises(ModelError, match=r'pixels_per_metre must be \(1, 32, 48\) as the image, '
                                         r'got \(1, 32, 47\): bring both to the same size'):
        small_network()(torch.zeros(1, 3, 32, 48), torch.zeros(1, 32, 47))
