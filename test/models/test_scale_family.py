# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.models.registry import count_multiply_adds, count_parameters, initialise
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.scale_networks import (
    SCALE_FAMILY,
    BackEnd,
    FixedScalesNetwork,
    ScaleInvariantNetwork,
    SingleScaleNetwork,
)
from ldn_perception.models.vgg import VggFeatures

VGG_D = 14_714_688
"""Published number of the convolutions of VGG-16."""


def build_without_memory(name):
    with torch.device('meta'):
        return SCALE_FAMILY[name](19)


def build_tiny(network, num_features, **settings):
    torch.manual_seed(0)
    extractor = VggFeatures((2, 3, 4, 5, 6), range(1, 6), with_pool3=num_features % 10 == 0)
    model = network(
        extractor, BackEnd(num_features, 3, hidden_channels=(5, 5), kernel_size=3), **settings)
    initialise(model, 0)
    return model.eval()


@pytest.mark.parametrize(('name', 'in_channels', 'kernel_size'), [
    ('scale_invariant', 3 * 768, 7),
    ('scale_invariant_released', 3 * 768, 7),
    ('fixed_scales', 3 * 768, 7),
    ('single35', 768, 7),
    ('single35_released', 768, 3),
    ('single5', 512, 7),
])
def test_size_of_the_thesis_is_vgg_d_and_its_back_end(name, in_channels, kernel_size):
    back_end = in_channels * 1024 * kernel_size**2 + 1024**2 + 1024 * 19 + 19
    assert count_parameters(build_without_memory(name)) == VGG_D + back_end


@pytest.mark.parametrize('name', SCALE_FAMILY)
def test_no_batch_norm_has_learnable_parameters(name):
    norms = [m for m in build_without_memory(name).modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(not norm.affine for norm in norms)


@pytest.mark.parametrize('name', SCALE_FAMILY)
def test_only_the_multiplexed_network_uses_disparity(name):
    assert build_without_memory(name).uses_disparity == name.startswith('scale_invariant')


def test_slim_networks_share_their_widths_and_differ_by_what_they_see():
    slim = {name: build_without_memory(name) for name in SCALE_FAMILY if name.endswith('_small')}
    assert sorted(slim) == [
        'fixed_scales_small', 'scale_invariant_small', 'single35_small', 'single5_small']
    trunks = {
        tuple((key, tuple(value.shape)) for key, value in model.extractor.state_dict().items())
        for model in slim.values()
    }
    assert len(trunks) == 1
    multiply_adds = {name: count_multiply_adds(m, 320, 640) for name, m in slim.items()}
    assert (multiply_adds['single5_small'] < multiply_adds['single35_small']
            < multiply_adds['fixed_scales_small'] < multiply_adds['scale_invariant_small'] <= 4e9)
    assert (count_parameters(slim['fixed_scales_small'])
            == count_parameters(slim['scale_invariant_small']))


def test_fixed_scales_concatenates_its_levels_enlarged_to_nearest_neighbours():
    model = build_tiny(FixedScalesNetwork, 30)
    assert model.levels == (0, 3, 7)
    image = torch.randn(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    enlarged = []
    for size in ((96, 160), (48, 80), (16, 32)):
        level = image if size == (96, 160) else F.interpolate(
            image, size, mode='bilinear', antialias=True)
        enlarged.append(F.interpolate(model.extractor([level])[0], (12, 20), mode='nearest-exact'))
    expected = model.back_end(torch.cat(enlarged, dim=1))
    assert torch.allclose(model(image).logits, expected, atol=1e-5)


def test_fixed_scales_is_the_scale_invariant_network_with_its_switches_held():
    fixed = build_tiny(FixedScalesNetwork, 30, levels=(0, 1, 2))
    # 1, 4 and 5.2 m at 60 px/m: s = 0.32, 1.30 and 1.69, nearest to 1.3^0, 1.3^1 and 1.3^2.
    multiplexer = ScaleMultiplexer(reference_widths_m=(1.0, 4.0, 5.2), num_levels=3)
    moving = ScaleInvariantNetwork(fixed.extractor, multiplexer, fixed.back_end).eval()
    image = torch.randn(1, 3, 65, 90, generator=torch.Generator().manual_seed(2))
    scale = torch.full((1, 65, 90), 60.0)
    assert multiplexer.switch_levels(scale[0]).flatten(1).unique(dim=1).tolist() == [[0], [1], [2]]
    assert torch.allclose(fixed(image).logits, moving(image, scale).logits, atol=1e-6)


@pytest.mark.parametrize('num_features', [10, 6])
def test_single_scale_is_back_end_over_the_features_of_the_image(num_features):
    model = build_tiny(SingleScaleNetwork, num_features)
    image = torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(3))
    expected = model.back_end(model.extractor([image])[0])
    assert torch.equal(model(image).logits, expected)
    assert expected.shape == (1, 3, 6, 8)


@pytest.mark.parametrize(('network', 'num_features'), [
    (SingleScaleNetwork, 10), (SingleScaleNetwork, 6), (FixedScalesNetwork, 30),
])
def test_image_of_any_size_is_padded_by_repeating_its_border(network, num_features):
    model = build_tiny(network, num_features)
    image = torch.randn(1, 3, 41, 50, generator=torch.Generator().manual_seed(4))
    rows, columns = torch.arange(48).clamp(max=40), torch.arange(64).clamp(max=49)
    padded = model(image[:, :, rows][..., columns]).logits
    assert torch.equal(model(image).logits, padded[..., :6, :7])


def test_every_parameter_of_single5_has_an_effect():
    model = build_tiny(SingleScaleNetwork, 6).train()
    image = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(5))
    model(image).logits.square().mean().backward()
    assert model.back_end[0].in_channels == 6
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_released_preset_differs_from_the_thesis_in_its_receptive_field_only():
    thesis = build_without_memory('scale_invariant')
    released = build_without_memory('scale_invariant_released')
    assert thesis.multiplexer.receptive_field_px == 185
    assert released.multiplexer.receptive_field_px == 186
    assert ([tuple(p.shape) for p in thesis.parameters()]
            == [tuple(p.shape) for p in released.parameters()])
