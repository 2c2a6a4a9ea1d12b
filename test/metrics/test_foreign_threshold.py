# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.foreign_scores import ForeignThreshold


def filled(*parts):
    threshold = ForeignThreshold()
    for part in parts:
        threshold.accumulate(np.asarray(part, np.float32))
    return threshold


@pytest.mark.parametrize('rate', [0.3, 0.05, 0.001])
@pytest.mark.parametrize('power', [0.05, 1, 12])
def test_threshold_keeps_the_rate_and_is_next_to_the_order_statistic(rate, power):
    values = (np.random.default_rng(1).random(20_000) ** power).astype(np.float32)
    threshold, above = filled(*np.split(values, 4)).at(rate)
    assert above == (values > threshold).mean()
    assert above <= rate
    exact = np.sort(values)[::-1][int(rate * values.size)]  # as many values are above it
    assert exact <= threshold <= exact * (1 + 1 / 8192)


def test_values_that_tie_stay_below_together():
    threshold, above = filled([0.25] * 50 + [0.75] * 50).at(0.4)
    assert above == 0
    assert 0.75 <= threshold < 0.7502


def test_ends_of_the_range():
    assert filled([1.0] * 10, [1.0000001]).at(0.05) == (1.0, 0.0)
    threshold, above = filled([0.0, -0.0] * 10).at(0.05)
    assert threshold < 1e-40
    assert above == 0


def test_pixels_are_counted():
    assert filled([0.1, 0.2], [0.3]).pixels == 3


def test_errors_say_what_to_do():
    with pytest.raises(EvaluationError, match=(
            r'false positive rate must be above 0 and below 1, got 1\.5: ask for 0\.05')):
        filled([0.5]).at(1.5)
    with pytest.raises(EvaluationError, match='in-distribution pixels must be one or more, got'):
        filled([]).at(0.05)
    for wrong in (np.nan, -0.1, 1.1):
        with pytest.raises(EvaluationError, match=r'foreign probability must be in \[0, 1\], got'):
            filled([0.5, wrong])
