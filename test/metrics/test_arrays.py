# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception import metrics
from ldn_perception.errors import EvaluationError

TRUTH = np.array([[0, 0, 1, 255]], np.uint8)
LABELS = np.array([[0, 1, 1, 0]], np.uint8)


def test_labels_are_scored_as_one_set():
    assert metrics.mean_iou(LABELS, TRUTH, 2) == 0.5
    assert metrics.pixel_accuracy(LABELS, TRUTH, 2) == pytest.approx(2 / 3)
    both = metrics.confusion([LABELS, TRUTH], [TRUTH, TRUTH], 2)
    alone = metrics.confusion(LABELS, TRUTH, 2) + metrics.confusion(TRUTH, TRUTH, 2)
    np.testing.assert_array_equal(both.counts, alone.counts)


def test_foreign_probabilities_are_scored_where_they_are_valid():
    scores = np.array([[0.9, 0.1, 0.95]], np.float32)
    foreign, valid = np.array([[True, False, False]]), np.array([[True, True, False]])
    assert metrics.ood_scores(scores, foreign, valid).average_precision == 1
    assert metrics.ood_scores(scores, foreign).average_precision == 0.5
    assert metrics.ood_scores([scores] * 2, [foreign] * 2).foreign_pixels == 2


def test_disparity_is_scored_as_the_benchmarks_do():
    truth = np.full((1, 4), 20.0, np.float32)
    disparity = np.array([[20.0, 21.0, 30.0, np.nan]], np.float32)
    scores = metrics.disparity_errors(disparity, truth)
    assert (scores.d1_all, scores.d1_matched) == (0.5, pytest.approx(1 / 3))


def test_sets_must_have_the_same_length():
    with pytest.raises(EvaluationError, match=(
            r'^images of a set must be 2 as its ground truth, got 1: give one array for each')):
        metrics.mean_iou([LABELS], [TRUTH, TRUTH], 2)
    with pytest.raises(EvaluationError, match=r'^ground truth labels must be \(H, W\) uint8'):
        metrics.mean_iou(LABELS, TRUTH.astype(int), 2)
