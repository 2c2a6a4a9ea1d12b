# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.segmentation_scores import CalibrationError


def slow_error(confidence, right):
    """Bin by bin, straight from eq. 2 and 3 of Guo et al."""
    total = 0.0
    for number in range(1, 16):
        inside = [
            index for index, value in enumerate(confidence)
            if (number - 1) / 15 < value <= number / 15 or (number == 1 and value == 0)]
        if inside:
            accuracy = sum(right[index] for index in inside) / len(inside)
            mean = sum(float(confidence[index]) for index in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


def test_error_equals_the_definition_bin_by_bin_over_several_images():
    random = np.random.default_rng(2)
    error = CalibrationError()
    confidence = random.random(3000).astype(np.float32)
    confidence[:30] = np.arange(30) % 16 / np.float32(15)  # edges of the bins
    right = random.random(3000) < confidence ** 2
    for part in np.split(np.arange(3000), 3):
        error.accumulate(confidence[part], right[part])
    assert error.value == pytest.approx(
        slow_error(confidence.astype(np.float64), right), rel=1e-6)


def test_worked_example():
    # bin of 0.9: 4 pixels, 2 right, |0.5 - 0.9|; bin of 0.3: 1 pixel, right, |1 - 0.3|
    error = CalibrationError()
    error.accumulate(
        np.array([0.9, 0.9, 0.9, 0.9, 0.3], np.float32),
        np.array([True, True, False, False, True]))
    assert error.value == pytest.approx((4 * 0.4 + 1 * 0.7) / 5)
    assert error.bins.pixels.sum() == 5
    assert error.bins.accuracy[13] == 0.5
    assert error.bins.confidence[4] == pytest.approx(0.3)
    assert np.isnan(error.bins.accuracy[0])


def test_right_as_often_as_confident_is_no_error():
    error = CalibrationError()
    error.accumulate(np.full(10, 0.8, np.float32), np.arange(10) < 8)
    assert error.value == pytest.approx(0, abs=1e-7)


def test_nothing_counted_gives_nan():
    assert np.isnan(CalibrationError().value)


def test_errors_say_what_to_do():
    error = CalibrationError()
    with pytest.raises(EvaluationError, match=(
            r'confidence must be \(2,\) as the predictions, got \(1,\): give one of each')):
        error.accumulate(np.zeros(1, np.float32), np.zeros(2, np.bool_))
    with pytest.raises(EvaluationError, match=r'confidence must be in \[0, 1\], got 2.0 to 2.0'):
        error.accumulate(np.full(1, 2, np.float32), np.zeros(1, np.bool_))
