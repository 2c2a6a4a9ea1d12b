# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.complexity import count_multiply_adds, count_parameters
from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.ladder import Ladder, TransitionUp
from ldn_perception.models.registry import build_ladder_densenet, build_model


def single_map_step(residual):
    step = TransitionUp(1, 1, reduced_channels=1, out_channels=1, residual=residual).eval()
    for unit, weight in ((step.project_skip, 2.0), (step.reduce, 3.0), (step.blend, 0.5)):
        torch.nn.init.constant_(unit.conv.weight, weight)
    return step


@pytest.mark.parametrize(
    ('coarse', 'skip', 'expected'),
    [(1.0, 4.0, 0.5 * 9 * 3 * (1 + 2 * 4)), (5.0, -4.0, 0.5 * 9 * 3 * 5), (-9.0, 4.0, 0.0)],
)
@pytest.mark.parametrize('residual', [False, True])
def test_step_is_figure_4_3_in_numbers(coarse, skip, expected, residual):
    step = single_map_step(residual)
    output = step(torch.full((1, 1, 3, 4), coarse), torch.full((1, 1, 5, 7), skip))
    assert output.shape == (1, 1, 5, 7)
    interior = output[0, 0, 2, 3].item()
    assert interior == pytest.approx(expected + residual * coarse, rel=1e-4)


def test_coarse_features_are_upsampled_bilinearly_with_aligned_borders():
    step = single_map_step(residual=False)
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 4, 4)
    output = step(ramp, torch.zeros(1, 1, 8, 8))[0, 0, 4]
    columns = ((torch.arange(8) + 0.5) / 2 - 0.5).clamp(0, 3)
    expected = [0.5 * 3 * 3 * 3 * float(columns[x - 1:x + 2].mean()) for x in range(1, 7)]
    assert output[1:7].tolist() == pytest.approx(expected, rel=1e-4)


def test_residual_changes_the_number_of_maps_with_a_convolution():
    step = TransitionUp(4, 6, reduced_channels=2, out_channels=3, residual=True).eval()
    assert step(torch.randn(1, 4, 2, 2), torch.randn(1, 6, 4, 4)).shape == (1, 3, 4, 4)


def test_ladder_climbs_from_the_coarsest_skip_to_the_finest():
    ladder = Ladder(8, (3, 5), step_channels=(6, 4), reduced_channels=2).eval()
    skips = [torch.randn(1, 3, 11, 13), torch.randn(1, 5, 6, 7)]
    context = torch.randn(1, 8, 3, 4)
    expected = ladder.steps[1](ladder.steps[0](context, skips[1]), skips[0])
    assert torch.equal(ladder(context, skips), expected)
    assert expected.shape == (1, ladder.out_channels, 11, 13)


@pytest.mark.parametrize(
    ('split_block', 'steps', 'parameters', 'multiply_adds'),
    [(2, (256, 256, 128, 64), 9.5e6, 66.5e9), (None, (256, 128, 64), 9.0e6, 75.4e9)],
    ids=['64->4', '32->4'],
)
def test_size_and_cost_are_those_of_table_4_1(split_block, steps, parameters, multiply_adds):
    model = build_ladder_densenet(DenseNet(split_block=split_block), 19, step_channels=steps)
    assert count_parameters(model) == pytest.approx(parameters, rel=0.005)
    assert count_multiply_adds(model, 1024, 1024) == pytest.approx(multiply_adds, rel=0.005)


def test_ldn121_has_the_pyramid_sizes_of_section_4_4_2():
    model = build_model('ldn121', 19)
    assert model.pyramid.project.conv.weight.shape == (512, 1024, 1, 1)
    assert [level.conv.out_channels for level in model.pyramid.levels] == [128] * 4
    assert model.pyramid.out_channels == 256
    assert model.stride == 4


def test_small_ladder_densenet_stays_within_its_budget():
    model = build_model('ldn_small', 39)
    assert count_parameters(model) <= 0.6e6
    assert count_multiply_adds(model, 320, 640) <= 2.5e9


def test_image_smaller_than_the_coarsest_cell_is_refused():
    with pytest.raises(ModelError, match='image must be at least 64 x 64 pixels for this network, '
                                         'got 80 x 63: use larger images'):
        build_model('ldn_small', 2)(torch.randn(1, 3, 63, 80))
