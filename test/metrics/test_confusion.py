# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import sklearn.metrics

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.segmentation import ConfusionMatrix


def _random_labels(seed, num_classes, ignored_part=0.2, shape=(20, 30)):
    random = np.random.default_rng(seed)
    labels = random.integers(0, num_classes, shape).astype(np.uint8)
    labels[random.random(shape) < ignored_part] = 255
    return labels


def _reference_iou(prediction, truth, label):
    """Pixel by pixel, straight from the definition."""
    true_positives = false_positives = false_negatives = 0
    for predicted, true in zip(prediction.flat, truth.flat, strict=True):
        if true == 255:
            continue
        true_positives += predicted == label and true == label
        false_positives += predicted == label and true != label
        false_negatives += predicted != label and true == label
    return true_positives / (true_positives + false_positives + false_negatives)


def test_iou_equals_counting_pixel_by_pixel():
    matrix = ConfusionMatrix(4)
    images = [(_random_labels(seed, 6), _random_labels(seed + 9, 4)) for seed in range(3)]
    for prediction, truth in images:
        matrix.accumulate(prediction, truth)
    predictions = np.concatenate([prediction for prediction, _ in images])
    truths = np.concatenate([truth for _, truth in images])
    expected = [_reference_iou(predictions, truths, label) for label in range(4)]
    np.testing.assert_allclose(matrix.iou(), expected, rtol=1e-12)
    assert matrix.mean_iou == pytest.approx(np.mean(expected))


def test_ignored_ground_truth_makes_no_false_positives():
    matrix = ConfusionMatrix(2)
    matrix.accumulate(
        np.array([[0, 0, 0, 1]], np.uint8), np.array([[0, 255, 255, 1]], np.uint8)
    )
    np.testing.assert_array_equal(matrix.iou(), [1.0, 1.0])
    assert matrix.pixel_accuracy == 1.0


@pytest.mark.parametrize('outside', [255, 2, 17])
def test_prediction_outside_the_classes_is_a_false_negative_only(outside):
    matrix = ConfusionMatrix(2)
    matrix.accumulate(
        np.array([[0, outside, 1, 1]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8)
    )
    np.testing.assert_array_equal(matrix.iou(), [0.5, 1.0])
    assert matrix.pixel_accuracy == 0.75


def test_class_absent_from_ground_truth_is_nan_and_left_out_of_the_mean():
    matrix = ConfusionMatrix(3)
    matrix.accumulate(np.array([[0, 2, 1, 1]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8))
    np.testing.assert_array_equal(matrix.iou(), [0.5, 1.0, np.nan])
    assert matrix.mean_iou == 0.75
    np.testing.assert_array_equal(matrix.class_pixels, [2, 2, 0])


def test_nothing_counted_gives_nan():
    matrix = ConfusionMatrix(2)
    matrix.accumulate(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8))
    assert np.isnan(matrix.mean_iou)
    assert np.isnan(matrix.pixel_accuracy)


def test_sum_equals_counting_everything_in_one_matrix():
    first, second, together = ConfusionMatrix(5), ConfusionMatrix(5), ConfusionMatrix(5)
    for seed, matrix in ((1, first), (2, second)):
        prediction, truth = _random_labels(seed, 5), _random_labels(seed + 9, 5)
        matrix.accumulate(prediction, truth)
        together.accumulate(prediction, truth)
    np.testing.assert_array_equal((first + second).counts, together.counts)
    assert first.counts.sum() < together.counts.sum()


def test_matrix_equals_scikit_learn():
    prediction, truth = _random_labels(1, 5, 0), _random_labels(2, 5, 0)
    matrix = ConfusionMatrix(5)
    matrix.accumulate(prediction, truth)
    expected = sklearn.metrics.confusion_matrix(truth.ravel(), prediction.ravel(), labels=range(5))
    np.testing.assert_array_equal(matrix.counts[:, :5], expected)
    np.testing.assert_allclose(
        matrix.iou(),
        sklearn.metrics.jaccard_score(truth.ravel(), prediction.ravel(), average=None),
    )


def test_errors_say_what_to_do():
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(EvaluationError, match='number of classes must be 1 to 255, got 0: count'):
        ConfusionMatrix(0)
    matrix = ConfusionMatrix(2)
    with pytest.raises(
        EvaluationError, match=r'ground-truth ids must be 0 to 1 or 255, got 7: map the labels'
    ):
        matrix.accumulate(labels, labels + np.uint8(7))
    with pytest.raises(
        EvaluationError, match=r'prediction labels must be \(H, W\) uint8, got \(2, 2\) int64'
    ):
        matrix.accumulate(labels.astype(np.int64), labels)
    with pytest.raises(
        EvaluationError, match=r'prediction must be \(2, 2\) as its ground truth, got \(1, 2\)'
    ):
        matrix.accumulate(labels[:1], labels)
    with pytest.raises(
        EvaluationError, match='merged confusion matrix must be of 2 classes, got 3: merge'
    ):
        matrix + ConfusionMatrix(3)
