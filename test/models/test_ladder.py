# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import partial

from meta_networks import meta_network
import pytest
import torch

from ldn_perception.errors import ModelError
from ldn_perception.models.densenet import DenseNet
from ldn_perception.models.ldn import Blending, Ladder, SpatialPyramid, TransitionUp
from ldn_perception.models.registry import (
    LADDER_DESIGNS,
    NARROW_PYRAMID,
    LadderDesign,
    build_ladder_network,
    build_model,
    count_multiply_adds,
    count_parameters,
)


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
    ('name', 'parameters', 'multiply_adds'),
    [
        ('ldn121_64_4', 9.5e6, 66.5e9), ('ldn121_32_4', 9.0e6, 75.4e9),
        ('ldn121_128_4', 9.9e6, 66.2e9), ('ldn121_32_2', 9.4e6, 154.5e9),
        ('ldn121_down32', 8.2e6, 56.1e9), ('ldn161_64_4', 30.0e6, 138.7e9),
        ('ldn169_32_4', 15.6e6, 88.8e9), ('ddn121_down8', 8.2e6, 147.8e9),
        ('lddn121_8_4', 8.6e6, 174.8e9), ('lddn121_16_4', 8.9e6, 87.0e9),
        ('ldn121_dws', 8.7e6, 54.2e9), ('ldn121_no_spp', 10.2e6, 66.7e9),
        ('ldn121_pspnet_spp', 10.6e6, 66.9e9), ('lrn18_32_4', 13.3e6, 55.7e9),
        ('lrn50_32_4', 26.9e6, 109.0e9), ('lrn101_32_4', 45.9e6, 186.7e9),
    ],
)
def test_size_and_cost_without_widening_units_are_those_of_the_thesis(
    name, parameters, multiply_adds
):
    design = LADDER_DESIGNS[name]
    if isinstance(design.backbone, partial):
        design = replace(design, backbone=partial(design.backbone, widens=False))
    with torch.device('meta'):
        model = build_ladder_network(design, 19)
    tolerance = 0.025 if name == 'ldn121_pspnet_spp' else 0.017
    assert count_parameters(model) == pytest.approx(parameters, rel=tolerance)
    assert count_multiply_adds(model, 1024, 1024) == pytest.approx(multiply_adds, rel=tolerance)


@pytest.mark.parametrize(
    ('split_blocks', 'steps', 'parameters', 'multiply_adds'),
    [((2,), (256, 256, 128, 64), 9.5e6, 66.5e9), ((), (256, 128, 64), 9.0e6, 75.4e9)],
    ids=['64->4', '32->4'],
)
def test_size_and_cost_of_the_default_ladder_are_those_of_table_4_1(
    split_blocks, steps, parameters, multiply_adds
):
    design = LadderDesign(
        partial(DenseNet, split_blocks=split_blocks), NARROW_PYRAMID, steps, reduces_narrow=True
    )
    with torch.device('meta'):
        model = build_ladder_network(design, 19)
    assert count_parameters(model) == pytest.approx(parameters, rel=0.005)
    assert count_multiply_adds(model, 1024, 1024) == pytest.approx(multiply_adds, rel=0.005)


def test_released_network_has_the_parameters_of_the_released_code():
    with torch.device('meta'):
        model = build_ladder_network(LADDER_DESIGNS['ldn121_released'], 19)
    assert count_parameters(model) == 10_314_515
    assert count_multiply_adds(model, 1024, 1024) == pytest.approx(71.7e9, rel=0.001)


def test_strides_of_every_name_are_those_it_says():
    for name in LADDER_DESIGNS:
        model = meta_network(name)
        down, up = model.backbone.strides[-1], model.stride
        stated = name.split('_')[1:]
        if stated and stated[-1].startswith('down'):
            assert (down, up) == (int(stated[-1][4:]),) * 2, name
        elif len(stated) > 1 and stated[-1].isdigit():
            assert (down, up) == (int(stated[-2]), int(stated[-1])), name
        else:
            assert up == 4, name


def test_concatenation_is_the_3x3_of_both_side_by_side():
    step = TransitionUp(
        2, 3, reduced_channels=None, out_channels=4, blending=Blending.CONCATENATION
    ).eval()
    coarse, skip = torch.randn(1, 2, 3, 4), torch.randn(1, 3, 6, 8)
    upsampled = torch.nn.functional.interpolate(coarse, (6, 8), mode='bilinear')
    expected = step.blend(torch.cat((upsampled, step.project_skip(skip)), dim=1))
    assert torch.equal(step(coarse, skip), expected)
    assert step.blend.conv.weight.shape == (4, 4, 3, 3)


def test_separable_step_is_a_3x3_of_each_map_and_a_1x1_of_all():
    step = TransitionUp(2, 3, reduced_channels=None, out_channels=5, separable=True).eval()
    depthwise, pointwise = step.blend.conv.depthwise, step.blend.conv.pointwise
    dense = torch.einsum('oc,cij->ocij', pointwise.weight[..., 0, 0], depthwise.weight[:, 0])
    coarse, skip = torch.randn(1, 2, 4, 5), torch.randn(1, 3, 4, 5)
    met = torch.relu(step.blend.norm(coarse + step.project_skip(skip)))
    expected = torch.nn.functional.conv2d(met, dense, padding=1)
    assert torch.allclose(step(coarse, skip), expected, atol=1e-5)


@pytest.mark.parametrize(('narrow', 'reduced'), [(True, [4, 4, 4]), (False, [4, None, None])])
def test_steps_that_are_narrow_already_can_go_without_the_1x1(narrow, reduced):
    ladder = Ladder(
        8, (3, 3, 3), step_channels=(4, 2, 2), reduced_channels=4, reduces_narrow=narrow
    )
    assert [getattr(step.reduce, 'out_channels', None) for step in ladder.steps] == reduced


def slim_design(**changes):
    return LadderDesign(
        partial(DenseNet, block_sizes=(1, 1, 2, 1), growth=4, stem_channels=8),
        partial(SpatialPyramid, projected_channels=6, level_channels=2, out_channels=5),
        (4, 4, 3, 3), reduced_channels=4, **changes,
    )


@pytest.mark.parametrize('training', [False, True])
def test_auxiliary_heads_give_logits_of_the_pools_and_of_what_enters_each_step(training):
    model = build_ladder_network(slim_design(auxiliary_heads=True), 7).train(training)
    output = model(torch.randn(2, 3, 128, 256))
    assert [tuple(logits.shape) for logits in output.auxiliary] == [
        (2, 7, rows, 2 * rows) for rows in (8, 4, 2, 1, 2, 4, 8, 16)
    ]
    assert output.logits.shape == (2, 7, 32, 64)


def test_pyramid_loss_of_rob_2018_has_heads_on_the_ladder_alone():
    design = slim_design(auxiliary_heads=True, heads_on_pools=False)
    output = build_ladder_network(design, 7)(torch.randn(2, 3, 128, 128))
    assert [logits.shape[-1] for logits in output.auxiliary] == [2, 4, 8, 16]
    rob = LADDER_DESIGNS['ldn169_rob2018']
    assert rob.step_channels == (256,) * 4
    assert not rob.heads_on_pools


def test_auxiliary_heads_do_not_change_the_logits():
    plain = build_ladder_network(slim_design(), 3).eval()
    headed = build_ladder_network(slim_design(auxiliary_heads=True), 3).eval()
    left = headed.load_state_dict(plain.state_dict(), strict=False)
    assert all(key.startswith('auxiliary_heads.') for key in left.missing_keys)
    image = torch.randn(1, 3, 64, 128)
    assert torch.equal(plain(image).logits, headed(image).logits)


def test_network_without_steps_projects_the_context():
    design = replace(slim_design(auxiliary_heads=True), step_channels=())
    model = build_ladder_network(design, 3).eval()
    image = torch.randn(1, 3, 128, 128)
    expected = model.head(model.pyramid(model.backbone(image)[-1]))
    output = model(image)
    assert model.stride == 64
    assert torch.equal(output.logits, expected)
    assert len(output.auxiliary) == 4


def test_more_steps_than_skips_are_refused():
    design = replace(slim_design(), step_channels=(4,) * 5)
    with pytest.raises(ModelError, match='steps of the ladder must be at most 4, the skips of the '
                                         'backbone, got 5: leave steps out'):
        build_ladder_network(design, 3)


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
