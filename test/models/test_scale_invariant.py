# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.registry import build_model, count_multiply_adds
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.scale_networks import BackEnd, ScaleInvariantNetwork
from ldn_perception.models.vgg import VggFeatures


def small_network(**multiplexer_settings):
    torch.manual_seed(0)
    extractor = VggFeatures((2, 3, 4, 5, 6), normalised_groups=(5,))
    multiplexer = ScaleMultiplexer(**multiplexer_settings)
    back_end = BackEnd(
        10 * len(multiplexer.reference_widths_m), 3, hidden_channels=(5, 5), kernel_size=3
    )
    return ScaleInvariantNetwork(extractor, multiplexer, back_end).eval()


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
