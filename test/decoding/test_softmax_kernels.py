# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from ldn_perception.decoding.cell_labels import exponential, logarithm, sum_exponentials


def test_the_exponential_is_one():
    arguments = np.linspace(-86, 0, 4001, dtype=np.float32)
    ours = np.array([exponential(x) for x in arguments])
    relative = np.abs(ours / np.exp(arguments.astype(np.float64)) - 1)
    assert (relative < 3e-7 - 1e-7 * arguments).all()
    assert 0 < exponential(np.float32(-1e9)) < 1e-37
    assert exponential(np.float32(0)) == 1


def test_the_logarithm_is_one():
    arguments = np.geomspace(1e-37, 1e37, 4001, dtype=np.float32)
    ours = [logarithm(x) for x in arguments]
    np.testing.assert_allclose(ours, np.log(arguments.astype(np.float64)), rtol=1e-6, atol=1e-5)


def test_sums_and_shares_are_those_of_a_softmax():
    values = np.random.default_rng(0).normal(0, 4, (9, 50)).astype(np.float32)
    total, foreign = np.full((2, 50), -7, np.float32)
    sum_exponentials(values, values.max(0), 40, 6, total, foreign)
    weights = np.exp(values.astype(np.float64) - values.max(0))
    np.testing.assert_allclose(total[:40], weights.sum(0)[:40], rtol=1e-5)
    np.testing.assert_allclose(
        foreign[:40], (weights[6:].sum(0) / weights.sum(0))[:40], atol=1e-6)
    assert (total[40:] == -7).all()


def test_a_share_that_is_rounded_away_is_not_negative():
    values = np.array([[0.0], [-80.0]], np.float32)
    total, foreign = np.empty((2, 1), np.float32)
    sum_exponentials(values, values.max(0), 1, 1, total, foreign)
    assert foreign[0] == 0
