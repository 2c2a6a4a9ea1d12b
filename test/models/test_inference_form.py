# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from meta_networks import meta_network
import pytest
import torch
from torch import nn

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet, NormReluConv, Stem, TransitionDown
from ldn_perception.models.inference_form import (
    fold_norms,
    is_rewritable,
    pool_before_projections,
    rewrite_for_inference,
)
from ldn_perception.models.ldn import (
    AuxiliaryHeads,
    Blending,
    Ladder,
    LadderDenseNet,
    LocalContext,
    SpatialPyramid,
    TransitionUp,
)
from ldn_perception.models.registry import LADDER_DESIGNS, build_model, initialise


def scramble(model, seed):
    """Give every batch norm statistics and parameters as no training would dare to."""
    generator = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        shape = norm.weight.shape
        slopes = torch.randn(shape, generator=generator)
        for special in (0.0, 1e-20, -1e-38):
            slopes[torch.rand(shape, generator=generator) < 0.1] = special
        norm.weight.data = slopes
        norm.bias.data = torch.randn(shape, generator=generator) / 2
        norm.running_mean = torch.randn(shape, generator=generator)
        norm.running_var = torch.rand(shape, generator=generator) * 2 + 0.1
    return model.eval()


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7))


def assert_same(found, expected):
    scale = float(expected.abs().max())
    assert scale > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, scale))


def small(**changes):
    """A ladder network with a little of everything the registry's networks have."""
    dense = {'block_sizes': (2, 3, 4), 'growth': 4, 'stem_channels': 8, 'split_blocks': (2,)}
    backbone = DenseNet(**(dense | changes.pop('dense', {})))
    *skips, deepest = backbone.channels
    context = changes.pop('context', SpatialPyramid)
    options = {'level_channels': 4, 'grid_rows': (2, 1)} if context is SpatialPyramid else {}
    pyramid = context(deepest, projected_channels=8, out_channels=8, **options)
    ladder = Ladder(8, skips, **(
        {'step_channels': [8] * len(skips), 'reduced_channels': 8} | changes))
    heads = AuxiliaryHeads(pyramid.pooled_channels, ladder.channels, 5)
    head = NormReluConv(ladder.out_channels, 5, kernel_size=1, bias=True)
    model = LadderDenseNet(backbone, pyramid, ladder, head, heads)
    initialise(model, 0)
    return model


VARIANTS = {
    'reduced': {},
    'not reduced': {'reduced_channels': None},
    'residual': {'residual': True, 'step_channels': (8, 6, 6)},
    'separable': {'separable': True, 'reduced_channels': None},
    'separable and reduced': {'separable': True},
    'concatenation': {'blending': Blending.CONCATENATION},
    'no pyramid': {'context': LocalContext},
    'dilated': {'dense': {'split_blocks': (), 'dilations': (1, 1, 2)}, 'step_channels': (8,)},
    'no reduction in units': {'dense': {'widens': False, 'growth': 8}},
    'stem is a feature': {'dense': {'stem_feature': True}, 'step_channels': (8,) * 4},
    'stem does not pool': {'dense': {'stem_pool': nn.Identity}},
}


@pytest.mark.parametrize('variant', VARIANTS)
@pytest.mark.parametrize('seed', range(3))
@torch.no_grad()
def test_every_variant_keeps_its_function_whatever_its_norms(variant, seed):
    model = scramble(small(**dict(VARIANTS[variant])), seed)
    image = images(2, 3, 65, 103)
    assert_same(rewrite_for_inference(model)(image).logits, model(image).logits)


@pytest.mark.parametrize('name', ['ldn_small', 'ldn121_64_4', 'ldn121_released'])
@torch.no_grad()
def test_networks_of_the_registry_keep_their_function(name):
    model = scramble(build_model(name, 7), 0)
    image = images(1, 3, 64, 96)
    assert_same(rewrite_for_inference(model)(image).logits, model(image).logits)


def test_every_dense_network_of_the_registry_is_taken_and_no_other():
    dense = {name for name in LADDER_DESIGNS if name.startswith(('ldn', 'ddn', 'lddn'))}
    assert {name for name in LADDER_DESIGNS if is_rewritable(meta_network(name))} == dense


@pytest.mark.parametrize(('name', 'got'), [
    ('lrn18_32_4', 'LadderDenseNet on ResNet'),
    ('scale_invariant_small', 'ScaleInvariantNetwork'),
])
def test_another_network_is_refused(name, got):
    with pytest.raises(ModelError, match=(
            f'^network to rewrite must be a ladder network on a DenseNet, got {got}: '
            'run this network with another engine$')):
        rewrite_for_inference(build_model(name, 3))


@torch.no_grad()
def test_the_model_is_left_as_it_was():
    model = scramble(small(), 0).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    kinds = [type(module) for module in model.modules()]
    rewritten = rewrite_for_inference(model)
    rewritten(images(1, 3, 64, 64))
    assert model.training
    assert [type(module) for module in model.modules()] == kinds
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    addresses = {tensor.data_ptr() for tensor in model.state_dict().values()}
    assert not addresses & {tensor.data_ptr() for tensor in rewritten.state_dict().values()}


@torch.no_grad()
def test_nothing_is_left_that_only_training_needs():
    rewritten = rewrite_for_inference(scramble(small(), 0))
    assert not any(isinstance(module, AuxiliaryHeads) for module in rewritten.modules())
    assert not any(parameter.requires_grad for parameter in rewritten.parameters())
    assert not rewritten.training
    assert rewritten(images(1, 3, 64, 64)).auxiliary == ()


@pytest.mark.parametrize('pools', [True, False])
@torch.no_grad()
def test_a_transition_averages_first_and_rounds_odd_sizes_down(pools):
    model = scramble(small(), 0)
    down = scramble(TransitionDown(8, pools=pools), 1)
    model.backbone.downs[0] = down
    features = images(1, 8, 7, 9)
    expected = down(features)
    pool_before_projections(model)
    torch.testing.assert_close(model.backbone.downs[0](features), expected)
    kinds = [type(layer) for layer in model.backbone.downs[0]]
    assert kinds.index(type(down.pool)) < kinds.index(nn.Conv2d)


@torch.no_grad()
def test_the_stem_is_one_convolution_before_its_pooling():
    stem = scramble(Stem(8), 3)
    image = images(1, 3, 33, 41)
    expected = stem(image)
    fold_norms(stem)
    torch.testing.assert_close(stem(image), expected)
    assert [type(layer) for layer in stem if not isinstance(layer, nn.Identity)] == [
        nn.Conv2d, nn.MaxPool2d, nn.ReLU]


@torch.no_grad()
def test_a_step_of_the_ladder_is_folded_between_its_convolutions():
    step = scramble(TransitionUp(8, 6, reduced_channels=4, out_channels=5), 3)
    coarse, skip = images(1, 8, 3, 4), images(1, 6, 6, 8)
    expected = step(coarse, skip)
    fold_norms(step)
    torch.testing.assert_close(step(coarse, skip), expected)
    assert isinstance(step.blend.norm, nn.Identity)
