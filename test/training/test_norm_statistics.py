# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from ldn_perception.models.checkpointing import checkpoint_model
from ldn_perception.models.registry import build_model
from ldn_perception.models.vgg import PyramidNorm
from ldn_perception.training.trainer import average_norm_statistics


def _batches(count=4, channels=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, 6, 8, generator=random) * (1 + i) + i for i in range(count)]


def test_statistics_are_the_mean_of_those_of_the_batches():
    norm, batches = nn.BatchNorm2d(3), _batches()
    for batch in batches:
        norm(batch + 50)
    average_norm_statistics(norm, norm, batches)
    cells = [batch.transpose(0, 1).flatten(1) for batch in batches]
    torch.testing.assert_close(
        norm.running_mean, torch.stack([cell.mean(1) for cell in cells]).mean(0))
    torch.testing.assert_close(
        norm.running_var, torch.stack([cell.var(1) for cell in cells]).mean(0))


@pytest.mark.parametrize('training', [True, False])
def test_mode_momenta_and_gradients_are_as_before(training):
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, momentum=0.3))
    model.train(training)
    average_norm_statistics(model, model, _batches())
    assert model.training is training
    assert model[1].training is training
    assert model[1].momentum == 0.3
    assert all(value.grad is None for value in model.parameters())


def test_later_norms_see_what_the_earlier_ones_make_of_a_batch():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3))
    batches = _batches()
    average_norm_statistics(model, model, batches)
    inner = [
        ((batch - batch.mean((0, 2, 3), keepdim=True))
         / (batch.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()).relu()
        for batch in batches]
    torch.testing.assert_close(
        model[2].running_mean, torch.stack([part.mean((0, 2, 3)) for part in inner]).mean(0))


def test_norm_over_a_pyramid_counts_the_cells_of_all_its_levels():
    norm = PyramidNorm(3)
    pyramids = [[batch, batch[..., ::2, ::2] + 1] for batch in _batches()]
    average_norm_statistics(norm, norm.normalise, pyramids)
    cells = [
        torch.cat([level.transpose(0, 1).flatten(1) for level in levels], 1)
        for levels in pyramids]
    torch.testing.assert_close(
        norm.running_mean, torch.stack([cell.mean(1) for cell in cells]).mean(0))
    torch.testing.assert_close(
        norm.running_var, torch.stack([cell.var(1) for cell in cells]).mean(0))


def test_checkpointed_network_gets_the_statistics_of_the_plain_one():
    states = []
    batches = [torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(i))
               for i in range(2)]
    for plan in ('none', 'cat_1x1_3x3_stem_td_up'):
        model = build_model('ldn_small', 3, seed=1)
        checkpoint_model(model, plan)
        average_norm_statistics(model, model, batches)
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, msg=name)
    counters = [value for name, value in states[1].items() if name.endswith('_tracked')]
    assert {int(counter) for counter in counters} == {2}
