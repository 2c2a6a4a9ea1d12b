# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import astuple
import math

import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood import OodHistogram, OodScores

RANDOM = np.random.default_rng(5)
SHAPE = (60, 80)


def on_bins(values):
    """Lower ends of the bins of these values: what the histogram can tell apart."""
    return (values.astype(np.float32).view(np.uint32) >> 10 << 10).view(np.float32)


def image(share=0.1):
    foreign = RANDOM.random(SHAPE) < share
    scores = np.clip(RANDOM.normal(0.3 + 0.3 * foreign, 0.2), 0, 1).astype(np.float32)
    return scores, foreign, RANDOM.random(SHAPE) < 0.9


def test_metrics_are_exact_for_values_at_the_ends_of_bins():
    histogram, exact = OodHistogram(), OodScores()
    for _ in range(3):
        scores, foreign, valid = image()
        histogram.accumulate(on_bins(scores), foreign, valid)
        exact.accumulate(on_bins(scores), foreign, valid)
    assert astuple(histogram.metrics()) == pytest.approx(astuple(exact.metrics()), abs=1e-12)


def test_metrics_are_close_for_any_values():
    scores, foreign, valid = image()
    histogram, exact = OodHistogram(), OodScores()
    histogram.accumulate(scores, foreign, valid)
    exact.accumulate(scores, foreign, valid)
    for got, wanted in zip(astuple(histogram.metrics()), astuple(exact.metrics()), strict=True):
        assert got == pytest.approx(wanted, rel=1e-3)


def test_saturated_probabilities_are_kept_apart():
    foreign = np.zeros(SHAPE, np.bool_)
    foreign[0] = True
    scores = np.where(foreign, np.float32(0.9999), np.float32(0.9995))
    histogram = OodHistogram()
    histogram.accumulate(scores, foreign, np.ones_like(foreign))
    assert histogram.metrics().average_precision == 1


def test_sets_add_up_in_any_order():
    parts = [image() for _ in range(3)]
    sums = []
    for order in ((0, 1, 2), (2, 0, 1)):
        total = OodHistogram()
        for number in order:
            one = OodHistogram()
            one.accumulate(*parts[number])
            total += one
        sums.append(total)
    np.testing.assert_array_equal(sums[0].foreign, sums[1].foreign)
    np.testing.assert_array_equal(sums[0].known, sums[1].known)
    assert astuple(sums[0].metrics()) == astuple(sums[1].metrics())


def test_without_foreign_pixels_there_is_nothing_to_score():
    histogram = OodHistogram()
    scores, foreign, valid = image(0.0)
    histogram.accumulate(scores, foreign, valid)
    found = histogram.metrics()
    assert math.isnan(found.average_precision)
    assert (found.foreign_pixels, found.known_pixels) == (0, valid.sum())


def test_a_probability_a_little_above_one_is_one():
    histogram = OodHistogram()
    ones = np.full((1, 2), 1 + 1e-6, np.float32)
    histogram.accumulate(ones, np.array([[True, False]]), np.ones((1, 2), np.bool_))
    assert histogram.metrics().threshold95 == 1


def test_what_is_no_probability_is_refused():
    scores, foreign, valid = image()
    for value in (1.5, -0.1, math.nan):
        scores[0, 0], valid[0, 0] = value, True
        with pytest.raises(EvaluationError, match=r'foreign probability must be in \[0, 1\], got '
                           r'.* to .*: check the weights'):
            OodHistogram().accumulate(scores, foreign, valid)


def test_masks_of_another_size_are_refused():
    scores, foreign, valid = image()
    with pytest.raises(EvaluationError, match=r'foreign and valid mask must be \(60, 80\) as the '
                       r'probabilities, got \(1, 80\) and \(60, 80\): give one truth value'):
        OodHistogram().accumulate(scores, foreign[:1], valid)
