# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

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
