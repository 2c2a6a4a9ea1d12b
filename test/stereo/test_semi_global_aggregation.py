# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Aggregation against the equations, written down as recursion along the paths."""

import numpy as np
import pytest

from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties, aggregate_costs

STRAIGHT = [(1, 0), (-1, 0), (0, 1), (0, -1)]
DIAGONAL = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
PENALTIES = SmoothnessPenalties(small=7, large=40, edge_contrast=30, edge_divisor=3.0)


def volume(height, width, num_disparities, seed=0, top=256):
    return np.random.default_rng(seed).integers(
        0, top, (height, width, num_disparities)).astype(np.uint8)


def picture(height, width, seed=0):
    return np.random.default_rng(seed + 100).integers(0, 256, (height, width)).astype(np.uint8)


def path_cost(costs, image, penalties, step, y, x, known):
    """Eq. 13 at one pixel, by recursion along the path."""
    if (y, x) in known:
        return known[y, x]
    cost = [int(value) for value in costs[y, x]]
    dx, dy = step
    y0, x0 = y - dy, x - dx
    if 0 <= y0 < costs.shape[0] and 0 <= x0 < costs.shape[1]:
        former = path_cost(costs, image, penalties, step, y0, x0, known)
        small, large = penalties.small, penalties.large
        if abs(int(image[y, x]) - int(image[y0, x0])) >= penalties.edge_contrast:
            small = int(small / penalties.edge_divisor)
            large = int(large / penalties.edge_divisor)
        for d in range(len(cost)):
            ways = [former[d], min(former) + large]
            if d > 0:
                ways.append(former[d - 1] + small)
            if d + 1 < len(cost):
                ways.append(former[d + 1] + small)
            cost[d] += min(ways) - min(former)
    known[y, x] = cost
    return cost


def obvious_sums(costs, image, penalties, steps):
    sums = np.zeros(costs.shape, np.int64)
    for step in steps:
        known = {}
        for y, x in np.ndindex(costs.shape[:2]):
            sums[y, x] += path_cost(costs, image, penalties, step, y, x, known)
    return sums


@pytest.mark.parametrize('num_paths', [4, 8])
@pytest.mark.parametrize('shape', [
    (7, 11, 5), (11, 7, 9), (1, 9, 4), (9, 1, 4), (1, 1, 3), (5, 6, 1), (6, 5, 2), (4, 9, 70)])
def test_sums_are_those_of_the_equations(num_paths, shape):
    costs, image = volume(*shape), picture(*shape[:2])
    steps = STRAIGHT + (DIAGONAL if num_paths == 8 else [])
    sums = aggregate_costs(costs, image, PENALTIES, num_paths, RowWorkers(2))
    assert sums.dtype == np.uint16
    np.testing.assert_array_equal(sums, obvious_sums(costs, image, PENALTIES, steps))


@pytest.mark.parametrize('num_threads', [1, 2, 3, 7])
def test_threads_do_not_change_sums(num_threads):
    costs, image = volume(13, 17, 6), picture(13, 17)
    np.testing.assert_array_equal(
        aggregate_costs(costs, image, PENALTIES, 8, RowWorkers(num_threads)),
        obvious_sums(costs, image, PENALTIES, STRAIGHT + DIAGONAL))


def test_largest_costs_and_penalties_fit_into_16_bits():
    penalties = SmoothnessPenalties(4095, 4095, 256, 1.0)
    costs = np.where(volume(6, 6, 8, top=2) > 0, np.uint8(255), np.uint8(0))
    image = np.zeros((6, 6), np.uint8)
    np.testing.assert_array_equal(
        aggregate_costs(costs, image, penalties, 8, RowWorkers()),
        obvious_sums(costs, image, penalties, STRAIGHT + DIAGONAL))


def test_without_penalties_paths_keep_only_the_matching_costs():
    costs = volume(5, 6, 4)
    penalties = SmoothnessPenalties(0, 0)
    np.testing.assert_array_equal(
        aggregate_costs(costs, picture(5, 6), penalties, 4, RowWorkers()),
        4 * costs.astype(np.uint16))


def test_penalties_fall_at_the_contrast_of_an_edge():
    table = SmoothnessPenalties(10, 100, edge_contrast=12, edge_divisor=3.0).by_contrast()
    assert table.shape == (2, 256)
    assert table[:, 11].tolist() == [10, 100]
    assert table[:, 12].tolist() == table[:, 255].tolist() == [3, 33]


@pytest.mark.parametrize(('changes', 'message'), [
    ({'small': -1}, 'penalty small must be >= 0, got -1: take one in the range'),
    ({'small': 9, 'large': 8}, r'penalty large must be in \[9, 4095\], got 8'),
    ({'large': 4096}, r'penalty large must be in \[25, 4095\], got 4096'),
    ({'edge_divisor': 0.5}, 'penalty edge_divisor must be >= 1, got 0.5'),
])
def test_impossible_penalty_is_refused(changes, message):
    with pytest.raises(StereoError, match=message):
        SmoothnessPenalties(**changes)
