# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch
import torch.nn.functional as F

from ldn_perception.models.ldn import LocalContext, SpatialPyramid, grid_shape


def average_cells(features, rows, columns):
    batch, channels, height, width = features.shape
    pooled = torch.empty(batch, channels, rows, columns)
    for row in range(rows):
        for column in range(columns):
            top, bottom = math.floor(row * height / rows), math.ceil((row + 1) * height / rows)
            left = math.floor(column * width / columns)
            right = math.ceil((column + 1) * width / columns)
            cell = features[:, :, top:bottom, left:right]
            pooled[:, :, row, column] = cell.sum(dim=(2, 3)) / ((bottom - top) * (right - left))
    return pooled


@pytest.mark.parametrize(
    ('height', 'width', 'grids'),
    [
        (16, 32, [(8, 16), (4, 8), (2, 4), (1, 2)]),
        (16, 16, [(8, 8), (4, 4), (2, 2), (1, 1)]),
        (5, 19, [(8, 30), (4, 15), (2, 8), (1, 4)]),
        (20, 4, [(8, 2), (4, 1), (2, 1), (1, 1)]),
    ],
)
def test_cells_are_square_whatever_the_aspect(height, width, grids):
    assert [grid_shape(rows, height, width) for rows in (8, 4, 2, 1)] == grids


@pytest.mark.parametrize(('height', 'width'), [(16, 32), (5, 19), (1, 2), (9, 7)])
def test_context_is_that_of_averages_over_explicit_cells(height, width):
    torch.manual_seed(0)
    pyramid = SpatialPyramid(
        6, projected_channels=4, level_channels=2, out_channels=3
    ).eval()
    features = torch.randn(2, 6, height, width)
    projected = pyramid.project(features)
    parts = [projected]
    for rows, level in zip((8, 4, 2, 1), pyramid.levels, strict=True):
        pooled = level(average_cells(projected, rows, max(1, round(rows * width / height))))
        parts.append(F.interpolate(pooled, (height, width), mode='bilinear'))
    expected = pyramid.blend(torch.cat(parts, dim=1))
    assert torch.allclose(pyramid(features), expected, atol=1e-5)


def test_grids_are_an_argument():
    pyramid = SpatialPyramid(
        6, projected_channels=4, level_channels=2, out_channels=3, grid_rows=(3, 1)
    )
    assert len(pyramid.levels) == 2
    assert pyramid.blend.conv.in_channels == 4 + 2 * 2
    assert pyramid.eval()(torch.randn(1, 6, 4, 4)).shape == (1, 3, 4, 4)


def test_unreduced_pyramid_pools_the_features_themselves_on_equal_rows_and_columns():
    pyramid = SpatialPyramid(
        6, projected_channels=None, level_channels=2, out_channels=3, grid_rows=(3, 1),
        square_cells=False,
    ).eval()
    features = torch.randn(1, 6, 4, 9)
    context, pools = pyramid.context_and_pools(features)
    assert context.shape == (1, 3, 4, 9)
    assert torch.allclose(pools[0], average_cells(features, 3, 3), atol=1e-5)
    assert torch.allclose(pools[1], average_cells(features, 1, 1), atol=1e-5)
    assert pyramid.pooled_channels == (6, 6)


def test_without_pyramid_a_cell_sees_its_neighbours_only():
    torch.manual_seed(0)
    context = LocalContext(6, projected_channels=16, out_channels=3).eval()
    features = torch.randn(1, 6, 7, 7)
    changed = features.clone()
    changed[..., 3, 3] += 1
    differs = (context(features) != context(changed)).any(dim=1)[0]
    assert differs.nonzero().min() == 2
    assert differs.nonzero().max() == 4
    assert context.context_and_pools(features)[1] == []
