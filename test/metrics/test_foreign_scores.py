# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import special, stats
import torch

from ldn_perception.metrics.foreign_scores import FOREIGN_SCORES

LOGITS = 3 * torch.randn(7, 5, 6, generator=torch.Generator().manual_seed(3))
NUM_DRIVING = 4


def score(name, logits=LOGITS, num_driving=NUM_DRIVING):
    values = FOREIGN_SCORES[name](logits, num_driving)
    assert values.shape == logits.shape[1:]
    assert values.dtype == torch.float32
    return values.numpy()


@pytest.mark.parametrize(('name', 'expected'), [
    ('foreign_probability', lambda z: special.softmax(z, 0)[4:].sum(0)),
    ('foreign_argmax', lambda z: z.argmax(0) >= 4),
    ('max_softmax', lambda z: 1 - special.softmax(z[:4], 0).max(0)),
    ('max_softmax_all', lambda z: 1 - special.softmax(z, 0).max(0)),
    ('entropy', lambda z: stats.entropy(special.softmax(z[:4], 0), axis=0)),
    ('max_logit', lambda z: -z[:4].max(0)),
    ('energy', lambda z: -special.logsumexp(z[:4], axis=0)),
])
def test_score_equals_scipy(name, expected):
    np.testing.assert_allclose(
        score(name), expected(LOGITS.numpy().astype(np.float64)), rtol=1e-4, atol=1e-6)


def test_every_score_has_a_test():
    assert list(FOREIGN_SCORES) == [
        'foreign_probability', 'foreign_argmax', 'max_softmax', 'max_softmax_all', 'entropy',
        'max_logit', 'energy']


@pytest.mark.parametrize('name', FOREIGN_SCORES)
def test_a_sure_foreign_pixel_is_above_a_sure_driving_pixel(name):
    logits = torch.tensor([[9., 0.], [0., 0.], [0., 9.]])[:, None]
    driving, foreign = score(name, logits, 2)[0]
    if name == 'max_softmax_all':
        assert foreign == pytest.approx(driving)  # it is as sure of the one as of the other
    else:
        assert foreign > driving


@pytest.mark.parametrize('name', ['foreign_probability', 'foreign_argmax'])
def test_without_foreign_classes_nothing_is_foreign(name):
    assert not score(name, LOGITS, 7).any()


def test_scores_of_extreme_logits_are_finite():
    logits = torch.tensor([[200.], [-200.], [150.]])[:, None]
    assert all(np.isfinite(score(name, logits, 2)).all() for name in FOREIGN_SCORES)
