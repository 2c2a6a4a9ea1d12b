# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import sklearn.metrics

from ldn_perception.metrics.label_space import SpacePrediction
from ldn_perception.metrics.segmentation_scores import SegmentationScores
from ldn_perception.taxonomy import CITYSCAPES


def predicted(labels, confidence=0.75):
    labels = np.asarray(labels, np.uint8)
    return SpacePrediction(
        labels, np.full(labels.shape, confidence, np.float32), labels == 255)


def labelled(*ids):
    return np.array([ids], np.uint8)


def test_images_are_pooled_and_each_gives_its_own_mean_iou():
    scores, random = SegmentationScores(CITYSCAPES), np.random.default_rng(0)
    truths = [random.integers(0, 19, (9, 11)).astype(np.uint8) for _ in range(3)]
    predictions = [np.where(random.random((9, 11)) < 0.5, truth, 3) for truth in truths]
    for truth, prediction in zip(truths, predictions, strict=True):
        own = scores.accumulate(predicted(prediction), truth)
        assert own == pytest.approx(sklearn.metrics.jaccard_score(
            truth.ravel(), prediction.ravel(), labels=np.unique(truth), average='macro'))
    truth, prediction = np.concatenate(truths), np.concatenate(predictions)
    assert scores.confusion.mean_iou == pytest.approx(sklearn.metrics.jaccard_score(
        truth.ravel(), prediction.ravel(), average='macro'))
    assert scores.calibration.value == pytest.approx(abs((truth == prediction).mean() - 0.75))
    assert not scores.has_instances


def test_pixels_without_a_label_count_nowhere():
    scores = SegmentationScores(CITYSCAPES)
    scores.accumulate(predicted(labelled(0, 1)), labelled(0, 255))
    assert scores.confusion.counts.sum() == 1
    assert scores.calibration.bins.pixels.sum() == 1


def test_void_is_right_in_negative_images_only():
    plain, negative = SegmentationScores(CITYSCAPES), SegmentationScores(CITYSCAPES)
    prediction, truth = predicted(labelled(255, 0, 1)), labelled(0, 0, 0)
    assert plain.accumulate(prediction, truth) == pytest.approx(1 / 3)
    assert negative.accumulate(prediction, truth, negative=True) == pytest.approx(2 / 3)
    assert negative.calibration.value == pytest.approx(0.75 - 2 / 3)
    assert (plain.negative_images, negative.negative_images) == (0, 1)


def test_instances_are_scored_where_there_are_some():
    scores, car = SegmentationScores(CITYSCAPES), CITYSCAPES.class_names.index('car')
    instances = np.array([[1, 2]], np.int32)
    scores.accumulate(predicted(labelled(car, 0)), labelled(car, car), instances)
    assert scores.has_instances
    assert scores.instance_iou.iou(scores.confusion)[car] == 0.5
