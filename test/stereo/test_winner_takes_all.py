# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Winners against loops over pixels."""

import numpy as np
import pytest

from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.semi_global_aggregation import take_winners


def obvious_winners(totals, min_disparity, uniqueness_percent):
    height, width, num_disparities = totals.shape
    left, right = np.full((2, height, width), np.nan)
    confidence = np.zeros((height, width))
    sums = totals.astype(np.int64)
    for y, x in np.ndindex(height, width):
        best = int(np.argmin(sums[y, x]))
        rivals = [int(sums[y, x, d]) for d in range(num_disparities) if abs(d - best) > 1]
        if rivals and min(rivals) > 0:
            confidence[y, x] = 1 - sums[y, x, best] / min(rivals)
        elif not rivals:
            confidence[y, x] = 1
        if 0 <= x - min_disparity - best < width and all(
                sums[y, x, d] * (100 - uniqueness_percent) >= sums[y, x, best] * 100
                for d in range(num_disparities) if abs(d - best) > 1):
            shift = 0.0
            if 0 < best < num_disparities - 1:
                below, middle, above = sums[y, x, best - 1:best + 2]
                if below - 2 * middle + above > 0:
                    shift = (below - above) / (2 * (below - 2 * middle + above))
            left[y, x] = min_disparity + best + shift
        seen = [(sums[y, x + min_disparity + d, d], min_disparity + d)
                for d in range(num_disparities) if 0 <= x + min_disparity + d < width]
        if seen:
            right[y, x] = min(seen)[1]
    return left, right, confidence


@pytest.mark.parametrize('min_disparity', [0, 3, -4, 30, -30])
@pytest.mark.parametrize('uniqueness_percent', [0, 10, 60])
def test_winners_are_those_of_a_loop(min_disparity, uniqueness_percent):
    totals = np.random.default_rng(8).integers(0, 90, (6, 19, 9)).astype(np.uint16)
    left, right, confidence = take_winners(
        totals, min_disparity, uniqueness_percent, RowWorkers(2))
    expected = obvious_winners(totals, min_disparity, uniqueness_percent)
    np.testing.assert_allclose(left, expected[0], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(right, expected[1])
    np.testing.assert_allclose(confidence, expected[2], rtol=0, atol=1e-6)


@pytest.mark.parametrize('num_disparities', [1, 2, 3, 4])
def test_confidence_of_few_disparities_is_that_of_a_loop(num_disparities):
    totals = np.random.default_rng(5).integers(0, 3, (5, 19, num_disparities)).astype(np.uint16)
    confidence = take_winners(totals, 0, 0, RowWorkers()).confidence
    np.testing.assert_allclose(confidence, obvious_winners(totals, 0, 0)[2], rtol=0, atol=1e-6)


def test_uniqueness_is_a_threshold_of_the_confidence():
    totals = np.random.default_rng(8).integers(0, 90, (6, 19, 9)).astype(np.uint16)
    loose, strict = (take_winners(totals, 0, percent, RowWorkers()) for percent in (0, 30))
    np.testing.assert_array_equal(
        np.isfinite(strict.left), np.isfinite(loose.left) & (loose.confidence >= 0.3))


def test_uniqueness_takes_pixels_away():
    totals = np.random.default_rng(8).integers(0, 90, (6, 19, 9)).astype(np.uint16)
    known = [int(np.isfinite(take_winners(totals, 0, percent, RowWorkers())[0]).sum())
             for percent in (0, 30, 90)]
    assert known[0] > known[1] > known[2] > 0


def test_largest_sums_do_not_overflow():
    totals = np.full((1, 12, 5), 65535, np.uint16)
    totals[..., 2] = 65534
    left, right, _ = take_winners(totals, 0, 0, RowWorkers())
    np.testing.assert_array_equal(left[0, 3:], 2)
    np.testing.assert_array_equal(right[0, :10], 2)


def test_minimum_of_a_parabola_is_found():
    d = np.arange(9)
    totals = np.broadcast_to(np.round(100 * (d - 4.3) ** 2), (2, 20, 9)).astype(np.uint16)
    left, _, _ = take_winners(totals, 0, 0, RowWorkers())
    np.testing.assert_allclose(left[:, 5:], 4.3, atol=1e-3)
