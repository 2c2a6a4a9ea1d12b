# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.checkpointing import checkpoint_model
from ldn_perception.models.densenet import DenseNet, NormReluConv
from ldn_perception.models.ldn import Ladder, LadderDenseNet, SpatialPyramid
from ldn_perception.models.pruning import disable_units, pruning_curve, units_per_block
from ldn_perception.models.registry import initialise
from ldn_perception.models.resnet import DualPathNet, ResNet, last_norm

IMAGE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def ladder_over(backbone):
    *skips, deepest = backbone.channels
    pyramid = SpatialPyramid(
        deepest, projected_channels=8, level_channels=4, out_channels=8, grid_rows=(2, 1))
    ladder = Ladder(8, skips, step_channels=[8] * len(skips), reduced_channels=8)
    model = LadderDenseNet(backbone, pyramid, ladder, NormReluConv(8, 5, kernel_size=1, bias=True))
    initialise(model, 0)
    return model.eval()


@pytest.fixture
def dense():
    return ladder_over(DenseNet(
        block_sizes=(2, 3, 2), growth=4, bottleneck=2, stem_channels=8, split_blocks=()))


@pytest.fixture
def residual():
    return ladder_over(ResNet(stage_sizes=(2, 3, 2), stem_channels=8))


@pytest.mark.parametrize('from_unit', [0, 1, 2, 3])
@torch.no_grad()
def test_dense_features_are_those_of_the_kept_units_and_zeros(dense, from_unit):
    block = dense.backbone.blocks[1]
    entering = torch.randn(1, 8, 8, 8)
    with disable_units(dense, 1, from_unit):
        pruned = block(entering)
    expected = entering
    for unit in block.units[:from_unit]:
        expected = torch.cat((expected, unit(expected)), dim=1)
    assert torch.equal(pruned[:, :expected.shape[1]], expected)
    assert pruned.shape[1] == block.out_channels
    assert not pruned[:, expected.shape[1]:].any()


@torch.no_grad()
def test_a_residual_stage_keeps_its_shortcuts_only(residual):
    stage = residual.backbone.stages[1]
    entering = torch.randn(1, 8, 8, 8)
    with disable_units(residual, 1, 0):
        pruned = stage(entering)
    projected = stage[0].downsample(entering)
    torch.testing.assert_close(pruned, F.relu(projected))
    with disable_units(residual, 1, 1):
        torch.testing.assert_close(stage(entering), stage[0](entering))


@torch.no_grad()
def test_a_dual_path_unit_adds_nothing_and_appends_zeros():
    stages = {'stage_sizes': (2, 2), 'growths': (2, 2), 'widths': (4, 4), 'residuals': (4, 8)}
    model = ladder_over(DualPathNet(**stages, groups=2, stem_channels=4))
    stage = model.backbone.stages[1]
    entering = torch.randn(1, model.backbone.channels[0], 8, 8)
    with disable_units(model, 1, 1):
        pruned = stage(entering)
    kept = stage[0](entering)
    assert torch.equal(pruned[:, :-2], kept)
    assert not pruned[:, -2:].any()
    assert units_per_block(model) == (2, 2)


@torch.no_grad()
def test_other_blocks_work_as_before(dense):
    before = dense.backbone(IMAGE)
    with disable_units(dense, 2, 0):
        pruned = dense.backbone(IMAGE)
    assert torch.equal(pruned[0], before[0])
    assert torch.equal(pruned[1], before[1])
    assert not torch.equal(pruned[2], before[2])


@torch.no_grad()
def test_the_model_is_whole_again_afterwards_and_after_an_error(dense):
    before = dense(IMAGE).logits

    def fail(model: nn.Module) -> None:
        if not torch.equal(model(IMAGE).logits, before):
            raise KeyError

    with pytest.raises(KeyError):
        pruning_curve(dense, 2, fail)
    assert torch.equal(dense(IMAGE).logits, before)


def test_halves_of_a_split_block_count_as_two():
    assert units_per_block(ladder_over(DenseNet(
        block_sizes=(1, 3), growth=4, stem_channels=8, split_blocks=(1,)))) == (1, 1, 2)


@torch.no_grad()
@pytest.mark.parametrize('network', ['dense', 'residual'])
def test_curve_disables_one_unit_more_each_time_from_the_tail(request, network):
    model = request.getfixturevalue(network)
    units = [
        list(block.units) if network == 'dense' else [last_norm(unit) for unit in block]
        for block in (model.backbone.blocks if network == 'dense' else model.backbone.stages)
    ]
    order = [*reversed(units[2]), *reversed(units[1])]

    def disabled(evaluated: nn.Module) -> list[nn.Module]:
        silent = []
        hooks = [
            unit.register_forward_hook(
                lambda module, inputs, output: silent.append(module) if not output.any() else None)
            for unit in order
        ]
        evaluated(IMAGE)
        for hook in hooks:
            hook.remove()
        return silent

    curve = pruning_curve(model, 1, disabled)
    assert [set(silent) for silent in curve] == [set(order[:k]) for k in range(len(order) + 1)]


@torch.no_grad()
def test_curve_of_the_last_block_equals_a_plain_loop(dense):
    curve = pruning_curve(dense, 2, lambda model: model(IMAGE).logits)
    assert len(curve) == 3
    for number, logits in enumerate(curve):
        with disable_units(dense, 2, 2 - number):
            assert torch.equal(logits, dense(IMAGE).logits)


def test_checkpointed_units_are_disabled_as_well(dense):
    with disable_units(dense, 2, 1):
        expected = dense(IMAGE).logits
        checkpoint_model(dense, 'cat_1x1_3x3')
        torch.testing.assert_close(dense(IMAGE).logits, expected)


@pytest.mark.parametrize('block', [-1, 3])
def test_missing_block_is_refused(dense, block):
    with pytest.raises(ModelError, match=rf'block must be 0 to 2 .* got {block}'):
        pruning_curve(dense, block, lambda model: None)
    with (
        pytest.raises(ModelError, match=rf'block must be 0 to 2 .* got {block}'),
        disable_units(dense, block, 0),
    ):
        pass


@pytest.mark.parametrize('from_unit', [-1, 4])
def test_missing_unit_is_refused(dense, from_unit):
    with (
        pytest.raises(ModelError, match=rf'from_unit must be 0 to 3 in block 1, got {from_unit}'),
        disable_units(dense, 1, from_unit),
    ):
        pass


def test_other_backbone_is_refused(dense):
    dense.backbone = nn.Identity()
    with pytest.raises(
        ModelError, match='backbone must be a DenseNet, ResNet or DualPathNet, got Identity'
    ):
        units_per_block(dense)
