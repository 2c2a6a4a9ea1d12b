# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ldn_perception.decoding import gaussian_filters
from ldn_perception.decoding.gaussian_filters import PermutohedralLattice
from ldn_perception.errors import SegmentationError

COMPILED = (
    '_find_simplices', '_slot', '_number_vertices', '_find_neighbours', '_group_by_vertex',
    '_splat', '_blur', '_slice',
)


@pytest.fixture(scope='module')
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def normalised_gaussian(features):
    """The whole N x N matrix, in double precision."""
    differences = features[:, None].astype(np.float64) - features[None]
    kernel = np.exp(-(differences**2).sum(-1) / 2)
    sums = kernel.sum(1)
    return kernel / np.sqrt(sums[:, None] * sums)


def cloud(num_points, num_dimensions, spread, seed=0):
    generator = np.random.default_rng(seed)
    return (spread * generator.random((num_points, num_dimensions))).astype(np.float32)


@pytest.mark.parametrize(('num_dimensions', 'spread', 'error'), [
    (1, 20, 0.03), (2, 8, 0.04), (3, 5, 0.05), (5, 2.5, 0.06),
])
def test_filtering_is_close_to_the_sum_over_all_pairs(pool, num_dimensions, spread, error):
    features = cloud(1500, num_dimensions, spread)
    values = np.stack([features[:, 0] > spread / 2, features[:, 0] / spread], 1)
    values = values.astype(np.float32)
    exact = normalised_gaussian(features) @ values
    filtered = PermutohedralLattice(features, pool, 3).filter(values)
    assert np.linalg.norm(filtered - exact) < error * np.linalg.norm(exact)


def test_a_point_far_from_all_others_keeps_its_value(pool):
    features = np.float32([[0, 0, 0], [50, 0, 0], [0, 50, 0], [0, 0, 50]])
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    np.testing.assert_allclose(
        PermutohedralLattice(features, pool, 1).filter(values), values, rtol=1e-5)


def test_points_in_one_place_share_their_mean(pool):
    features = np.full((5, 3), 1.3, np.float32)
    values = np.float32([[1], [2], [3], [4], [10]])
    np.testing.assert_allclose(
        PermutohedralLattice(features, pool, 1).filter(values), np.full((5, 1), 4), rtol=1e-5)


@pytest.mark.parametrize('num_dimensions', [1, 2, 5])
def test_each_point_is_the_weighted_mean_of_the_corners_around_it(num_dimensions):
    size = num_dimensions + 1
    elevated = cloud(300, num_dimensions, 30) @ gaussian_filters._elevation(num_dimensions)
    lowest = np.full(size, -500)
    strides = np.array([1000**k for k in range(num_dimensions)] + [0])
    keys = np.empty((300, size), np.int64)
    weights = np.empty((300, size), np.float32)
    gaussian_filters._find_simplices(0, 300, elevated, lowest, strides, keys, weights)
    corners = keys[..., None] // strides[:-1] % 1000 - 500  # (N, d + 1, d)
    corners = np.concatenate([corners, -corners.sum(-1, keepdims=True)], -1)
    assert (corners % size == np.arange(size)[:, None]).all()
    assert weights.min() > -1e-4
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(
        (weights[..., None] * corners).sum(1), elevated, atol=1e-3 * num_dimensions)


def test_equal_keys_have_one_number_however_many_there_are():
    keys = np.random.default_rng(0).integers(0, 10**15, 6000)[
        np.random.default_rng(1).integers(0, 6000, (5000, 4))]
    vertices, vertex_keys, _ = gaussian_filters._number_vertices(keys)
    np.testing.assert_array_equal(vertex_keys[vertices], keys)
    assert vertex_keys.size == np.unique(keys).size


def test_the_parts_of_the_work_do_not_change_the_result(pool):
    features, values = cloud(400, 5, 4), cloud(400, 3, 1, seed=1)
    first, second = (
        PermutohedralLattice(features, pool, parts).filter(values) for parts in (1, 7))
    np.testing.assert_array_equal(first, second)


def test_compiling_does_not_change_what_the_source_says(pool, monkeypatch):
    features, values = cloud(60, 3, 4), cloud(60, 2, 1, seed=1)
    compiled = PermutohedralLattice(features, pool, 1).filter(values)
    for name in COMPILED:
        monkeypatch.setattr(
            gaussian_filters, name, getattr(gaussian_filters, name).py_func)
    # the hash wraps around on purpose, in this thread and in others
    quiet = ThreadPoolExecutor(1, initializer=np.seterr, initargs=(None, None, 'ignore'))
    with quiet, np.errstate(over='ignore'):
        interpreted = PermutohedralLattice(features, quiet, 1).filter(values)
    np.testing.assert_allclose(compiled, interpreted, atol=1e-6)


def test_features_that_spread_too_far_are_refused(pool):
    features = 1e6 * cloud(10, 5, 1)
    with pytest.raises(SegmentationError, match=r'features must be closer together.* raise the'):
        PermutohedralLattice(features, pool, 1)
