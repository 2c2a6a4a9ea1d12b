# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.stereo import StereoScores


def _scored(disparity, truth):
    scores = StereoScores()
    scores.accumulate(np.array(disparity, np.float32), np.array(truth, np.float32))
    return scores


def test_d1_needs_both_three_pixels_and_five_percent():
    truth = [[100.0, 100.0, 20.0, 20.0]]
    disparity = [[104.0, 106.0, 22.0, 24.0]]  # 4 %, 6 %, 2 px, 4 px
    scores = _scored(disparity, truth)
    assert scores.d1_all == 0.5
    assert scores.bad_all(3.0) == 0.75


def test_errors_exactly_at_a_limit_are_no_errors():
    scores = _scored([[13.0, 63.0, 84.0]], [[10.0, 60.0, 80.0]])
    assert scores.d1_all == 0.0
    assert scores.bad_matched(3.0) == pytest.approx(1 / 3)
    assert scores.bad_matched(4.0) == 0.0


def test_missing_estimates_are_errors_over_all_and_absent_from_the_matched():
    nan = float('nan')
    scores = _scored([[10.0, nan, 20.0, nan]], [[10.0, 10.0, 10.0, nan]])
    assert scores.density == pytest.approx(2 / 3)
    assert scores.d1_all == pytest.approx(2 / 3)
    assert scores.d1_matched == 0.5
    assert scores.bad_all(1.0) == pytest.approx(2 / 3)
    assert scores.end_point_error_px == 5.0


def test_images_are_pooled_by_pixels_not_averaged():
    scores = StereoScores()
    random = np.random.default_rng(0)
    images = [
        (random.uniform(1, 80, shape), random.uniform(1, 80, shape))
        for shape in ((3, 5), (20, 31))
    ]
    for disparity, truth in images:
        scores.accumulate(disparity.astype(np.float32), truth.astype(np.float32))
    disparity = np.concatenate([item.ravel() for item, _ in images])
    truth = np.concatenate([item.ravel() for _, item in images])
    errors = [abs(a - b) for a, b in zip(disparity, truth, strict=True)]
    outliers = [error > 3 and error > 0.05 * b for error, b in zip(errors, truth, strict=True)]
    assert scores.end_point_error_px == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    assert scores.d1_all == sum(outliers) / len(outliers)
    assert scores.bad_all(2.0) == sum(error > 2 for error in errors) / len(errors)
    assert scores.density == 1.0


def test_nothing_valid_gives_nan():
    scores = _scored([[1.0]], [[float('nan')]])
    assert np.isnan([scores.d1_all, scores.end_point_error_px, scores.density]).all()


def test_errors_say_what_to_do():
    scores, image = StereoScores(), np.zeros((2, 2), np.float32)
    with pytest.raises(
        EvaluationError, match=r'disparity must be \(H, W\) floating point .* uint16: convert'
    ):
        scores.accumulate(image.astype(np.uint16), image)
    with pytest.raises(EvaluationError, match=r'ground-truth disparity must be .* got \(4,\)'):
        scores.accumulate(image, image.ravel())
    with pytest.raises(
        EvaluationError, match=r'disparity must be \(2, 2\) as its ground truth, got \(1, 2\)'
    ):
        scores.accumulate(image[:1], image)
    with pytest.raises(EvaluationError, match=r'bad-pixel threshold must be one of .* got 5.0'):
        scores.bad_all(5.0)
