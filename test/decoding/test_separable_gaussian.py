# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ldn_perception.decoding import gaussian_filters
from ldn_perception.decoding.gaussian_filters import SeparableGaussian


@pytest.fixture(scope='module')
def pool():
    with ThreadPoolExecutor(2) as executor:
        yield executor


def filter_slowly(values, shape, standard_deviation_px):
    """Sum over all pairs of pixels, in double precision."""
    places = np.stack(np.mgrid[:shape[0], :shape[1]], -1).reshape(-1, 2)
    squares = ((places[:, None] - places[None])**2).sum(-1)
    kernel = np.exp(-squares / (2 * standard_deviation_px**2))
    sums = kernel.sum(1)
    return kernel / np.sqrt(sums[:, None] * sums) @ values


@pytest.mark.parametrize('shape', [(21, 34), (1, 30), (17, 1), (3, 2)])
@pytest.mark.parametrize('standard_deviation_px', [0.8, 3.0])
def test_filtering_is_the_sum_over_all_pairs(pool, shape, standard_deviation_px):
    values = np.random.default_rng(0).random((shape[0] * shape[1], 3), dtype=np.float32)
    filtered = SeparableGaussian(shape, standard_deviation_px, pool, 4).filter(values)
    np.testing.assert_allclose(
        filtered, filter_slowly(values, shape, standard_deviation_px), atol=2e-4)


def test_compiling_does_not_change_what_the_source_says(pool, monkeypatch):
    values = np.random.default_rng(0).random((63, 2), dtype=np.float32)
    kernel = SeparableGaussian((7, 9), 1.5, pool, 1)
    compiled = kernel.filter(values)
    monkeypatch.setattr(
        gaussian_filters, '_filter_rows', gaussian_filters._filter_rows.py_func)
    np.testing.assert_allclose(compiled, kernel.filter(values), atol=1e-6)
