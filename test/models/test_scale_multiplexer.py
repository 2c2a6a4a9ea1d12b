# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from fractions import Fraction
import math
import random

import pytest
import torch
import torch.nn.functional as F

from ldn_perception.models.scale_multiplexer import (
    ScaleMultiplexer,
    gather_levels,
    route,
    sample_cells,
)

THESIS = {
    'reference_widths_m': (1.0, 4.0, 7.0), 'receptive_field_px': 185.0, 'pyramid_factor': 1.3,
    'num_levels': 8,
}


def route_by_the_equations(pixels_per_metre, widths, receptive_field, alpha, num_levels):
    """Equations 3.1 and 3.2, one cell at a time."""
    batch, height, width = pixels_per_metre.shape
    levels = torch.empty(batch, len(widths), height, width, dtype=torch.int64)
    for n in range(batch):
        for m, reference in enumerate(widths):
            for y in range(height):
                for x in range(width):
                    value = float(pixels_per_metre[n, y, x])
                    if math.isnan(value):
                        levels[n, m, y, x] = 0
                        continue
                    s = reference / (receptive_field / value)
                    distances = [abs(alpha**level - s) for level in range(num_levels)]
                    levels[n, m, y, x] = distances.index(min(distances))
    return levels


def test_routing_is_that_of_the_equations_one_cell_at_a_time():
    generator = torch.Generator().manual_seed(3)
    scale = torch.exp(7 * torch.rand(2, 12, 20, generator=generator)) - 3
    scale[torch.rand(2, 12, 20, generator=generator) < 0.2] = math.nan
    levels = route(scale, **THESIS)
    assert torch.equal(levels, route_by_the_equations(scale, (1, 4, 7), 185, 1.3, 8))
    assert set(levels.unique().tolist()) == set(range(8))


def test_kitti_car_at_ten_metres_is_seen_where_four_metres_fill_the_receptive_field():
    # f = 721 px: one metre spans 72.1 px; s = 0.39, 1.56, 2.73; 1.3^l = 1, 1.3, 1.69, 2.197, 2.856
    levels = route(torch.tensor([[[721 / 10]]]), **THESIS)
    assert levels.flatten().tolist() == [0, 2, 4]


def test_of_two_equally_near_levels_the_smaller_is_chosen():
    settings = {**THESIS, 'reference_widths_m': (1.0,), 'receptive_field_px': 1.0,
                'pyramid_factor': 2.0}
    levels = route(torch.tensor([[[1.5, 3.0, 6.0, 6.0001]]]), **settings)
    assert levels.flatten().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ('value', 'level'),
    [(math.nan, 0), (0.0, 0), (-50.0, 0), (-math.inf, 0), (1e-3, 0), (1e9, 7), (math.inf, 7)],
)
def test_impossible_and_extreme_scales_have_a_level(value, level):
    assert route(torch.full((1, 2, 2), value), **THESIS).unique().tolist() == [level]


def test_cell_has_the_scale_of_its_centre_pixel():
    scale = torch.arange(16 * 24, dtype=torch.float32).view(1, 16, 24)
    expected = [[4 * 24 + 4, 4 * 24 + 12, 4 * 24 + 20], [12 * 24 + 4, 12 * 24 + 12, 12 * 24 + 20]]
    assert sample_cells(scale, 8).tolist() == [expected]


def test_cell_with_unknown_centre_has_the_mean_of_what_is_known():
    scale = torch.full((1, 8, 24), math.nan)
    scale[0, 0, 0], scale[0, 7, 5] = 10.0, 40.0
    scale[0, 4, 12], scale[0, 0, 8] = 7.0, 1000.0
    cells = sample_cells(scale, 8)[0, 0]
    assert cells[:2].tolist() == [25.0, 7.0]
    assert cells[2].isnan()


def random_levels(batch=2, channels=3):
    generator = torch.Generator().manual_seed(5)
    sizes = [(12, 20), (10, 16), (8, 12), (4, 6), (2, 2)]
    return [torch.randn(batch, channels, *size, generator=generator) for size in sizes]


def test_gathering_equals_enlarging_every_level_and_selecting():
    levels = random_levels()
    routing = torch.randint(0, 5, (2, 3, 12, 20), generator=torch.Generator().manual_seed(1))
    enlarged = torch.stack([F.interpolate(x, (12, 20), mode='nearest-exact') for x in levels])
    expected = torch.empty(2, 9, 12, 20)
    for n in range(2):
        for m in range(3):
            for y in range(12):
                for x in range(20):
                    level = routing[n, m, y, x]
                    expected[n, 3 * m:3 * m + 3, y, x] = enlarged[level, n, :, y, x]
    assert torch.equal(gather_levels(levels, routing), expected)


def test_layout_of_the_levels_in_memory_does_not_matter():
    levels = random_levels()
    routing = torch.randint(0, 5, (2, 2, 12, 20), generator=torch.Generator().manual_seed(2))
    last = [level.to(memory_format=torch.channels_last) for level in levels]
    assert torch.equal(gather_levels(levels, routing), gather_levels(last, routing))


def test_gradient_flows_only_to_the_selected_levels():
    levels = [level.requires_grad_() for level in random_levels(1)]
    gather_levels(levels, torch.full((1, 2, 12, 20), 3)).sum().backward()
    assert [bool(level.grad.any()) for level in levels] == [False, False, False, True, False]
    assert float(levels[3].grad.sum()) == 3 * 2 * 12 * 20


def test_multiplexer_selects_by_the_scale_of_each_cell():
    multiplexer = ScaleMultiplexer(
        reference_widths_m=(1.0, 2.0), receptive_field_px=10.0, pyramid_factor=2.0, num_levels=2
    )
    levels = [torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 1, 1)]
    scale = torch.full((1, 16, 16), math.nan)
    scale[:, :8, :8] = 10.0  # s = 1 and 2: levels 0 and 1
    scale[:, 8:, :8] = 40.0  # s = 4 and 8: level 1 twice
    output = multiplexer(levels, scale)
    assert output.tolist() == [[[[0, 0], [1, 0]], [[1, 0], [1, 0]]]]


def apparent_size(disparity, baseline):
    """Pixels of one metre; NaN where that is unknown, infinite without a baseline."""
    if baseline:
        return disparity / baseline
    if disparity == 0 or math.isnan(disparity):
        return math.nan
    return math.copysign(math.inf, disparity)


def size_of_cell(disparity, baseline, row, column):
    """Apparent size at the pixel in the centre, or the mean of the known ones."""
    pixels = disparity[8 * row:8 * row + 8, 8 * column:8 * column + 8].tolist()
    sizes = [[apparent_size(value, baseline) for value in line] for line in pixels]
    if not math.isnan(sizes[4][4]):
        return sizes[4][4]
    known = [size for line in sizes for size in line if not math.isnan(size)]
    return sum(known) / len(known) if known else math.nan


def level_by_the_equations(pixels_per_metre, width, multiplexer):
    """Equations 3.1 and 3.2 for one point: level 0 where there is no depth."""
    if math.isnan(pixels_per_metre):
        return 0
    if math.isinf(pixels_per_metre):
        return multiplexer.num_levels - 1 if pixels_per_metre > 0 else 0
    s = width / (multiplexer.receptive_field_px / pixels_per_metre) if pixels_per_metre else 0
    distances = [abs(multiplexer.pyramid_factor**k - s) for k in range(multiplexer.num_levels)]
    return distances.index(min(distances))


def multiplex_by_the_equations(levels, disparity, baseline, multiplexer):
    """Channels of every cell, looked up one vector at a time."""
    _, channels, height, width = levels[0].shape
    output = torch.empty(1, channels * len(multiplexer.reference_widths_m), height, width)
    for row in range(height):
        for column in range(width):
            size = size_of_cell(disparity, baseline, row, column)
            for m, reference in enumerate(multiplexer.reference_widths_m):
                level = levels[level_by_the_equations(size, reference, multiplexer)]
                y = math.floor((row + Fraction(1, 2)) * Fraction(level.shape[2], height))
                x = math.floor((column + Fraction(1, 2)) * Fraction(level.shape[3], width))
                group = slice(channels * m, channels * (m + 1))
                output[0, group, row, column] = level[0, :, y, x]
    return output


def random_disparity(height, width, generator):
    """Two depths in three are finite; the rest is invalid in every way that there is."""
    disparity = 200 * torch.rand(height, width, generator=generator) ** 2 - 2
    kind = torch.rand(height, width, generator=generator)
    for start, value in ((0.0, math.nan), (0.3, math.inf), (0.32, -math.inf), (0.34, 0.0)):
        disparity[(kind >= start) & (kind < start + (0.3 if start == 0 else 0.02))] = value
    disparity[:8, :8] = math.nan
    return disparity


@pytest.mark.parametrize('seed', range(24))
def test_multiplexer_is_that_of_the_equations_for_any_disparity_baseline_and_size(seed):
    chance = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    baseline = (0.0, -0.3, 1e-6)[seed] if seed < 3 else chance.uniform(0.05, 1.5)
    multiplexer = ScaleMultiplexer(
        reference_widths_m=sorted(chance.uniform(0.3, 9) for _ in range(chance.randint(1, 3))),
        receptive_field_px=chance.uniform(60, 250), pyramid_factor=chance.uniform(1.1, 2.0),
        num_levels=chance.randint(1, 8),
    )
    height, width = chance.randint(1, 9), chance.randint(1, 14)
    levels = [torch.randn(1, 2, height, width, generator=generator)] + [
        torch.randn(
            1, 2, chance.randint(1, height), chance.randint(1, width), generator=generator)
        for _ in range(multiplexer.num_levels - 1)
    ]
    disparity = random_disparity(8 * height, 8 * width, generator)
    expected = multiplex_by_the_equations(levels, disparity, baseline, multiplexer)
    assert torch.equal(multiplexer(levels, (disparity / baseline)[None]), expected)


def test_items_of_a_batch_are_routed_and_gathered_by_themselves():
    multiplexer = ScaleMultiplexer(num_levels=5)
    levels = random_levels()
    scale = 400 * torch.rand(2, 96, 160, generator=torch.Generator().manual_seed(7))
    together = multiplexer(levels, scale)
    for n in range(2):
        alone = multiplexer([level[n:n + 1] for level in levels], scale[n:n + 1])
        assert torch.equal(together[n:n + 1], alone)


def small_pyramid():
    generator = torch.Generator().manual_seed(11)
    return [
        torch.randn(2, 2, *size, generator=generator, dtype=torch.float64).requires_grad_()
        for size in ((3, 4), (2, 3), (1, 1))
    ]


def test_gradient_of_gathering_is_that_of_finite_differences():
    routing = torch.randint(0, 3, (2, 2, 3, 4), generator=torch.Generator().manual_seed(12))
    assert torch.autograd.gradcheck(
        lambda *levels: gather_levels(levels, routing), small_pyramid())


def test_gradient_of_the_multiplexer_is_that_of_finite_differences():
    multiplexer = ScaleMultiplexer(num_levels=3)
    scale = 400 * torch.rand(2, 24, 32, generator=torch.Generator().manual_seed(13))
    assert torch.autograd.gradcheck(
        lambda *levels: multiplexer(levels, scale), small_pyramid())


def test_features_that_no_cell_selects_have_exactly_zero_gradient():
    levels = small_pyramid()
    routing = torch.randint(0, 3, (2, 2, 3, 4), generator=torch.Generator().manual_seed(14))
    gather_levels(levels, routing).sum().backward()
    times_selected = [torch.zeros_like(level) for level in levels]
    for n in range(2):
        for m in range(2):
            for row in range(3):
                for column in range(4):
                    counts = times_selected[routing[n, m, row, column]]
                    y = (2 * row + 1) * counts.shape[2] // 6
                    x = (2 * column + 1) * counts.shape[3] // 8
                    counts[n, :, y, x] += 1
    assert any(bool((counts == 0).any()) for counts in times_selected)
    for level, counts in zip(levels, times_selected, strict=True):
        assert torch.equal(level.grad, counts)


def test_depth_receives_no_gradient_and_needs_none():
    scale = torch.full((2, 24, 32), 300.0, requires_grad=True)
    output = ScaleMultiplexer(num_levels=3)(small_pyramid(), scale)
    output.sum().backward()
    assert scale.grad is None


@pytest.mark.parametrize('size', [(24, 40), (21, 37), (1, 1), (375, 124)])
def test_switches_are_those_of_the_network_at_the_size_of_the_image(size):
    generator = torch.Generator().manual_seed(15)
    scale = 600 * torch.rand(size, generator=generator)
    scale[torch.rand(size, generator=generator) < 0.3] = math.nan
    multiplexer = ScaleMultiplexer()
    switches = multiplexer.switch_levels(scale)
    assert (switches.shape, switches.dtype) == ((3, *size), torch.uint8)
    rows, columns = (torch.arange(-(-side // 16) * 16).clamp(max=side - 1) for side in size)
    routing = multiplexer.route_cells(scale[rows][:, columns][None])[0]
    for y in range(0, size[0], 5):
        for x in range(0, size[1], 3):
            assert switches[:, y, x].tolist() == routing[:, y // 8, x // 8].tolist()


def test_nearer_points_have_higher_switches_and_wider_references_too():
    depth_m = torch.linspace(2.0, 80.0, 800).repeat(8, 1)
    switches = ScaleMultiplexer().switch_levels(721.0 / depth_m).int()
    assert bool((switches[:, :, 1:] <= switches[:, :, :-1]).all())
    assert bool((switches[0] <= switches[1]).all())
    assert bool((switches[1] <= switches[2]).all())
    # The middle of the first cell is 2.39 m away: s = 1.63, 6.5 and 11.4.
    assert switches[:, 0, 0].tolist() == [2, 7, 7]
    assert switches[:, 0, -1].tolist() == [0, 0, 0]
