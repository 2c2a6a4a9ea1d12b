# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.checkpointing import (
    CHECKPOINT_PLANS,
    NormUpdates,
    checkpoint_model,
    half_momentum,
    sum_over_images,
)
from ldn_perception.models.densenet import DenseNet, NormReluConv
from ldn_perception.models.ldn import Ladder, LadderDenseNet, SpatialPyramid
from ldn_perception.models.registry import build_model, initialise
from ldn_perception.models.resnet import ResNet

IMAGE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
PLANS = [plan for plan in CHECKPOINT_PLANS if plan != 'none']


def slim_ldn():
    return ladder_over(DenseNet(
        block_sizes=(3, 3, 4), growth=4, bottleneck=2, stem_channels=8, split_blocks=()))


def ladder_over(backbone):
    *skips, deepest = backbone.channels
    pyramid = SpatialPyramid(
        deepest, projected_channels=8, level_channels=4, out_channels=8, grid_rows=(2, 1))
    ladder = Ladder(8, skips, step_channels=(8, 8), reduced_channels=8)
    model = LadderDenseNet(backbone, pyramid, ladder, NormReluConv(8, 5, kernel_size=1, bias=True))
    initialise(model, 0)
    return model


def step(model, times=1):
    outputs = [model(IMAGE).logits for _ in range(times)]
    sum(output.square().mean() for output in outputs).backward()
    return outputs[0].detach()


def statistics(model):
    return {name: value for name, value in model.state_dict().items() if 'running' in name}


def counts(model):
    return [value.item() for name, value in model.state_dict().items() if 'num_batches' in name]


def held_bytes(model):
    """Bytes autograd keeps after a forward pass, every tensor counted once."""
    held = {}

    def note(tensor):
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(IMAGE)
    assert output.logits.requires_grad
    return sum(held.values())


def recomputed_modules(model, wanted, run=step):
    """Dotted names of the modules whose forward runs a second time in backward."""
    runs = dict.fromkeys(wanted, 0)
    hooks = []
    for name in wanted:
        def note(module, inputs, name=name):
            runs[name] += 1
        hooks.append(model.get_submodule(name).register_forward_pre_hook(note))
    run(model)
    for hook in hooks:
        hook.remove()
    return {name for name, number in runs.items() if number == 2}


@pytest.fixture(scope='module')
def plain():
    model = slim_ldn().train()
    logits = step(model)
    return model, logits


@pytest.mark.parametrize('plan', PLANS)
@pytest.mark.parametrize('norm_updates', NormUpdates)
def test_logits_gradients_and_statistics_are_those_without_checkpointing(
    plain, plan, norm_updates
):
    reference, expected = plain
    model = slim_ldn().train()
    checkpoint_model(model, plan, norm_updates)
    torch.testing.assert_close(step(model), expected, rtol=1e-5, atol=1e-5)
    for (name, weight), (_, other) in zip(
        model.named_parameters(), reference.named_parameters(), strict=True
    ):
        torch.testing.assert_close(
            weight.grad, other.grad, rtol=1e-5, atol=1e-5, msg=lambda m, name=name: f'{name}: {m}')
    for name, value in statistics(reference).items():
        torch.testing.assert_close(statistics(model)[name], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('plan', CHECKPOINT_PLANS)
def test_a_norm_updated_once_counts_a_batch_once(plan):
    model = slim_ldn().train()
    checkpoint_model(model, plan)
    step(model)
    assert set(counts(model)) == {1}


def test_a_norm_updated_twice_counts_a_batch_twice_in_segments_only():
    model = slim_ldn().train()
    checkpoint_model(model, '3x3', NormUpdates.TWICE)
    step(model)
    batches = {
        name.removesuffix('.num_batches_tracked'): value.item()
        for name, value in model.state_dict().items() if name.endswith('num_batches_tracked')
    }
    assert {name for name, value in batches.items() if value == 2} == {
        name for name in batches if '.grow.' in name}
    assert {value for name, value in batches.items() if '.grow.' not in name} == {1}


@pytest.mark.parametrize('momentum', [0.0, 0.01, 0.1, 0.5, 1.0])
def test_two_updates_with_half_the_momentum_equal_one(momentum):
    norm, halved = nn.BatchNorm2d(4, momentum=momentum), nn.BatchNorm2d(4)
    halved.momentum = half_momentum(momentum)
    batch = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(1)) * 3 + 1
    norm(batch)
    halved(batch)
    halved(batch)
    torch.testing.assert_close(halved.running_mean, norm.running_mean)
    torch.testing.assert_close(halved.running_var, norm.running_var)


def test_half_of_the_default_momentum_is_the_root_of_the_authors_polynomial():
    root = half_momentum(0.1)
    assert -root**2 + 2 * root - 0.1 == pytest.approx(0, abs=1e-12)
    assert root == pytest.approx(0.0513167)


def test_two_passes_before_one_gradient_update_once_each():
    reference, model = (slim_ldn().train() for _ in range(2))
    checkpoint_model(model, 'cat_1x1_3x3_stem_td_up')
    step(reference, times=2)
    step(model, times=2)
    assert counts(model) == counts(reference)
    for name, value in statistics(reference).items():
        assert torch.equal(statistics(model)[name], value), name


@pytest.mark.parametrize('norm_updates', NormUpdates)
def test_a_pass_without_gradients_updates_as_without_checkpointing(norm_updates):
    reference, model = (slim_ldn().train() for _ in range(2))
    checkpoint_model(model, 'block_stem_td_up', norm_updates)
    with torch.no_grad():
        reference(IMAGE)
        model(IMAGE)
    assert counts(model) == counts(reference)
    for name, value in statistics(reference).items():
        assert torch.equal(statistics(model)[name], value), name


def test_evaluation_with_gradients_leaves_the_statistics_alone():
    model = slim_ldn().eval()
    checkpoint_model(model, 'cat_1x1_3x3_stem_td_up', NormUpdates.TWICE)
    before = copy.deepcopy(model.state_dict())
    step(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(('plan', 'recomputed'), [
    ('none', set()),
    ('3x3', {'grow.norm'}),
    ('cat_1x1', {'reduce.norm'}),
    ('cat_1x1_and_3x3', {'reduce.norm', 'grow.norm'}),
    ('block_stem_td_up', {'reduce.norm', 'grow.norm', 'stem', 'down', 'up'}),
    ('cat_1x1_3x3', {'reduce.norm', 'grow.norm'}),
    ('cat_1x1_3x3_stem_td_up', {'reduce.norm', 'grow.norm', 'stem', 'down', 'up'}),
])
def test_a_plan_recomputes_what_its_name_says(plan, recomputed):
    names = {
        'reduce.norm': 'backbone.blocks.1.units.2.reduce.norm',
        'grow.norm': 'backbone.blocks.1.units.2.grow.norm',
        'stem': 'backbone.stem.norm',
        'down': 'backbone.downs.0.norm',
        'up': 'ladder.steps.1.blend.norm',
        'pyramid': 'pyramid.blend.norm',
        'head': 'head.norm',
    }
    model = slim_ldn().train()
    checkpoint_model(model, plan)
    expected = {names[name] for name in recomputed}
    assert recomputed_modules(model, list(names.values())) == expected


def test_the_3x3_convolution_of_a_unit_is_not_computed_again():
    model = slim_ldn().train()
    checkpoint_model(model, 'cat_1x1_3x3')
    convolution = 'backbone.blocks.1.units.2.grow.conv'
    runs = []
    model.get_submodule(convolution).register_forward_hook(lambda *_: runs.append(1))
    step(model)
    assert len(runs) == 1


def test_every_plan_of_the_table_holds_less_than_those_it_extends():
    model = slim_ldn().train()
    held = {}
    for plan in CHECKPOINT_PLANS:
        checkpoint_model(model, plan)
        held[plan] = held_bytes(model)
    assert held['none'] > held['3x3'] > held['cat_1x1_and_3x3'] > held['cat_1x1_3x3']
    assert held['none'] > held['cat_1x1'] > held['cat_1x1_and_3x3']
    assert held['cat_1x1_3x3'] > held['cat_1x1_3x3_stem_td_up'] > held['block_stem_td_up']
    assert held['cat_1x1_3x3_stem_td_up'] < 0.35 * held['none']


def test_names_of_weights_and_classes_stay():
    plain, model = slim_ldn(), slim_ldn()
    checkpoint_model(model, 'cat_1x1_3x3_stem_td_up')
    assert list(model.state_dict()) == list(plain.state_dict())
    for own, other in zip(model.modules(), plain.modules(), strict=True):
        assert isinstance(own, type(other))


def test_the_last_plan_counts_and_none_restores_the_model():
    plain, model = slim_ldn(), slim_ldn()
    for plan in (*CHECKPOINT_PLANS, 'none'):
        checkpoint_model(model, plan)
    assert [type(module) for module in model.modules()] == [
        type(module) for module in plain.modules()]
    assert [vars(module).keys() for module in model.modules()] == [
        vars(module).keys() for module in plain.modules()]


def test_a_copy_of_a_checkpointed_model_has_weights_of_its_own():
    model = slim_ldn().train()
    checkpoint_model(model, 'cat_1x1_3x3')
    clone = copy.deepcopy(model)
    step(clone)
    assert all(weight.grad is None for weight in model.parameters())
    assert all(weight.grad is not None for weight in clone.parameters())


def test_units_of_a_network_without_dense_blocks_are_its_blocks():
    reference, model = (
        ladder_over(ResNet(stage_sizes=(1, 2, 1), stem_channels=8)).train() for _ in range(2))
    checkpoint_model(model, 'block_stem_td_up')
    assert held_bytes(model) < 0.5 * held_bytes(reference)
    torch.testing.assert_close(step(model), step(reference))
    for weight, other in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad, rtol=1e-5, atol=1e-5)
    assert recomputed_modules(model, ['backbone.stages.1.1.bn1', 'backbone.stem.norm']) == {
        'backbone.stages.1.1.bn1', 'backbone.stem.norm'}
    with pytest.raises(ModelError, match=r'segments \(cat 1x1 3x3\), got LadderDenseNet'):
        checkpoint_model(model, 'cat_1x1_3x3_stem_td_up')


def test_a_network_without_a_ladder_is_checkpointed_below():
    backbone = DenseNet(block_sizes=(3, 3), growth=4, stem_channels=8, split_blocks=()).train()
    checkpoint_model(backbone, 'cat_1x1_3x3_stem_td_up')
    wanted = ['stem.norm', 'blocks.1.units.0.grow.norm']
    assert recomputed_modules(
        backbone, wanted, lambda model: model(IMAGE)[-1].sum().backward()) == set(wanted)


def test_unknown_plan_is_refused():
    with pytest.raises(ModelError, match=r"checkpointing plan must be one of none, 3x3.*'all'"):
        checkpoint_model(slim_ldn(), 'all')


def test_network_without_such_segments_is_refused_and_left_as_it_was():
    model = build_model('scale_invariant_small', 5)
    with pytest.raises(
        ModelError, match=r'network with segments \(cat 1x1\), got ScaleInvariantNetwork'
    ):
        checkpoint_model(model, 'cat_1x1')


def test_norm_that_averages_over_all_batches_cannot_be_updated_twice():
    model = slim_ldn()
    model.backbone.stem.norm.momentum = None
    with pytest.raises(ModelError, match='momentum of a batch norm that is updated twice'):
        checkpoint_model(model, 'cat_1x1_3x3_stem_td_up', NormUpdates.TWICE)


def upsampled_cross_entropy(logits, labels):
    large = F.interpolate(logits, labels.shape[-2:], mode='bilinear', align_corners=False)
    return F.cross_entropy(large, labels, ignore_index=255, reduction='sum')


def random_scores(batch):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, 5, 8, 8, generator=generator, requires_grad=True)
    labels = torch.randint(0, 5, (batch, 61, 64), generator=generator)
    labels[:, :9] = 255
    return logits, labels


@pytest.mark.parametrize('batch', [1, 3])
def test_loss_image_by_image_has_the_value_and_gradient_of_the_loss_of_the_batch(batch):
    logits, labels = random_scores(batch)
    expected = upsampled_cross_entropy(logits, labels)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    loss = sum_over_images(upsampled_cross_entropy, logits, labels)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.shape == ()
    assert torch.allclose(loss, expected, rtol=1e-5)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(
            sum_over_images(upsampled_cross_entropy, logits, labels), expected, rtol=1e-5)


def test_loss_image_by_image_keeps_nothing_of_the_size_of_the_images():
    logits, labels = random_scores(3)
    sizes = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: sizes.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        upsampled_cross_entropy(logits, labels)
        assert max(sizes) == 3 * 5 * 61 * 64
        sizes.clear()
        sum_over_images(upsampled_cross_entropy, logits, labels)
    assert all(size <= labels.numel() for size in sizes)


def test_loss_is_computed_again_for_one_image_after_the_other():
    logits, labels = random_scores(3)
    events = []

    class Note(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value, number):
            ctx.number = number
            ctx.save_for_backward(value)
            events.append(f'forth {number}')
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            assert ctx.saved_tensors
            events.append(f'back {ctx.number}')
            return gradient, None

    def noted(logits, labels):
        return upsampled_cross_entropy(Note.apply(logits, int(labels[0, -1, -1])), labels)

    labels[:, -1, -1] = torch.arange(3)
    sum_over_images(noted, logits, labels).backward()
    assert events == [
        'forth 0', 'forth 1', 'forth 2',
        'forth 2', 'back 2', 'forth 1', 'back 1', 'forth 0', 'back 0',
    ]
