# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import sklearn.metrics

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood import OodScores


def _images(seed, count=3, levels=None):
    """Scores that tell foreign from known somewhat; levels quantises them so that they tie."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        foreign = random.random((25, 40)) < 0.1
        scores = random.normal(foreign * 1.2).astype(np.float32)
        if levels:
            scores = np.round(scores * levels).astype(np.float32)
        yield scores, foreign, random.random((25, 40)) < 0.8


def _pooled(images):
    scores = np.concatenate([scores[valid] for scores, _, valid in images])
    return scores, np.concatenate([foreign[valid] for _, foreign, valid in images])


def _reference_curve(scores, foreign):
    """(threshold, true positives, false positives) at every score, from the highest down."""
    for threshold in sorted(set(scores.tolist()), reverse=True):
        called = scores >= threshold
        yield threshold, (called & foreign).sum(), (called & ~foreign).sum()


@pytest.mark.parametrize('levels', [None, 2])
def test_metrics_equal_walking_down_the_thresholds(levels):
    images = list(_images(3, levels=levels))
    pool = OodScores()
    for image in images:
        pool.accumulate(*image)
    metrics = pool.metrics()
    scores, foreign = _pooled(images)
    precision_sum = area = recall = false_rate = 0.0
    fpr95 = threshold95 = None
    for threshold, true_positives, false_positives in _reference_curve(scores, foreign):
        new_recall = true_positives / foreign.sum()
        new_false_rate = false_positives / (~foreign).sum()
        precision_sum += (
            (new_recall - recall) * true_positives / (true_positives + false_positives)
        )
        area += (new_false_rate - false_rate) * (new_recall + recall) / 2
        recall, false_rate = new_recall, new_false_rate
        if fpr95 is None and recall >= 0.95:
            fpr95, threshold95 = false_rate, threshold
    assert metrics.average_precision == pytest.approx(precision_sum, rel=1e-9)
    assert metrics.auroc == pytest.approx(area, rel=1e-9)
    assert metrics.fpr95 == fpr95
    assert metrics.threshold95 == threshold95
    assert metrics.foreign_pixels == foreign.sum()
    assert metrics.known_pixels == (~foreign).sum()


@pytest.mark.parametrize('levels', [None, 1, 5])
def test_metrics_equal_scikit_learn(levels):
    images = list(_images(4, levels=levels))
    pool = OodScores()
    for image in images:
        pool.accumulate(*image)
    metrics = pool.metrics()
    scores, foreign = _pooled(images)
    assert metrics.average_precision == pytest.approx(
        sklearn.metrics.average_precision_score(foreign, scores), rel=1e-9
    )
    assert metrics.auroc == pytest.approx(sklearn.metrics.roc_auc_score(foreign, scores), rel=1e-9)
    false_rate, true_rate, _ = sklearn.metrics.roc_curve(foreign, scores, drop_intermediate=False)
    assert metrics.fpr95 == pytest.approx(false_rate[np.argmax(true_rate >= 0.95)], rel=1e-12)


@pytest.mark.parametrize('levels', [None, 2])
def test_best_f1_equals_scikit_learn(levels):
    images = list(_images(6, levels=levels))
    pool = OodScores()
    for image in images:
        pool.accumulate(*image)
    metrics = pool.metrics()
    scores, foreign = _pooled(images)
    precision, recall, _ = sklearn.metrics.precision_recall_curve(foreign, scores)
    assert metrics.best_f1 == pytest.approx(
        np.nanmax(2 * precision * recall / (precision + recall)))
    assert metrics.best_f1 == pytest.approx(
        sklearn.metrics.f1_score(foreign, scores >= metrics.best_f1_threshold))


@pytest.mark.parametrize('levels', [None, 3])
def test_curve_lies_on_the_exact_rates(levels):
    images = list(_images(7, levels=levels))
    pool = OodScores()
    for image in images:
        pool.accumulate(*image)
    scores, foreign = _pooled(images)
    curve = pool.curve(max_points=40)
    assert 5 < curve.thresholds.size <= 40
    assert (np.diff(curve.thresholds) < 0).all()
    assert curve.thresholds[[0, -1]].tolist() == [scores[foreign].max(), scores[foreign].min()]
    for index, threshold in enumerate(curve.thresholds):
        called = scores >= threshold
        assert curve.recall[index] == called[foreign].mean()
        assert curve.false_positive_rate[index] == called[~foreign].mean()
        assert curve.precision[index] == foreign[called].mean()


def test_curve_without_foreign_pixels_is_empty():
    pool = OodScores()
    pool.accumulate(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.bool_))
    assert pool.curve().recall.size == 0


def test_perfect_and_useless_scores():
    foreign = np.zeros((4, 25), np.bool_)
    foreign[0, :20] = True
    perfect, useless = OodScores(), OodScores()
    perfect.accumulate(foreign.astype(np.float32), foreign)
    useless.accumulate(np.zeros((4, 25), np.float32), foreign)
    assert perfect.metrics().average_precision == 1.0
    assert perfect.metrics().auroc == 1.0
    assert perfect.metrics().fpr95 == 0.0
    assert useless.metrics().average_precision == pytest.approx(0.2)
    assert useless.metrics().auroc == 0.5
    assert useless.metrics().fpr95 == 1.0


def test_sum_pools_both_sets():
    first, second, together = OodScores(), OodScores(), OodScores()
    for seed, pool in ((1, first), (2, second)):
        for image in _images(seed):
            pool.accumulate(*image)
            together.accumulate(*image)
    assert (first + second).metrics() == together.metrics()


def test_without_foreign_pixels_there_is_no_score():
    pool = OodScores()
    assert pool.metrics().known_pixels == 0
    pool.accumulate(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.bool_))
    metrics = pool.metrics()
    assert np.isnan([
        metrics.average_precision, metrics.auroc, metrics.fpr95, metrics.best_f1]).all()
    assert (metrics.foreign_pixels, metrics.known_pixels) == (0, 6)


def test_errors_say_what_to_do():
    pool = OodScores()
    scores, mask = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.bool_)
    with pytest.raises(
        EvaluationError,
        match=r'foreign mask must be \(2, 2\) bool as the scores, got \(2, 2\) uint8: give one',
    ):
        pool.accumulate(scores, mask.astype(np.uint8))
    with pytest.raises(EvaluationError, match=r'valid mask must be .* got \(1, 2\) bool'):
        pool.accumulate(scores, mask, mask[:1])
    with pytest.raises(EvaluationError, match='foreign scores must be finite, got NaN or inf'):
        pool.accumulate(scores * np.float32('nan'), mask)


def test_scores_of_ignored_pixels_may_be_anything():
    pool = OodScores()
    scores = np.array([[np.nan, 0.5]], np.float32)
    pool.accumulate(scores, np.zeros((1, 2), np.bool_), np.array([[False, True]]))
    assert pool.metrics().known_pixels == 1
