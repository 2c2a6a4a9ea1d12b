# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.foreign_scores import ForeignShare, ScoreSmoothing
from ldn_perception.metrics.label_space import PixelTruth
from ldn_perception.metrics.segmentation_scores import accept_void
from ldn_perception.taxonomy import COCO_PANOPTIC
from ldn_perception.taxonomy.everyday import COCO_PANOPTIC_TO_UNIVERSAL

LABELS = np.array([[0, 2, 3, 255]], np.uint8)


def row(*values):
    return np.array([values], np.bool_)


def test_labels_part_into_driving_foreign_and_unknown():
    truth = PixelTruth.from_labels(LABELS, 3)
    np.testing.assert_array_equal(truth.labels, [[0, 2, 255, 255]])
    np.testing.assert_array_equal(truth.foreign, row(0, 0, 1, 0))
    np.testing.assert_array_equal(truth.known, row(1, 1, 0, 0))


def test_nothing_in_a_negative_image_is_known_to_belong_on_a_road():
    truth = PixelTruth.from_labels(LABELS, 3, negative=True)
    np.testing.assert_array_equal(truth.labels, [[0, 2, 255, 255]])
    assert not truth.known.any()
    np.testing.assert_array_equal(truth.foreign, row(0, 0, 1, 0))


def test_photographs_part_by_what_their_labels_stand_for():
    names = ('cow', 'tree-merged', 'snow', 'window-other', 'fire hydrant')
    labels = np.array([[*map(COCO_PANOPTIC.class_names.index, names), 255]], np.uint8)
    truth = PixelTruth.from_photograph(labels, COCO_PANOPTIC_TO_UNIVERSAL)
    np.testing.assert_array_equal(truth.foreign, row(1, 0, 0, 0, 0, 0))
    np.testing.assert_array_equal(truth.known, row(0, 1, 1, 0, 0, 0))
    assert (truth.labels == 255).all()


def test_masks_part_into_foreign_and_known():
    truth = PixelTruth.from_masks(row(1, 1, 0, 0), row(1, 0, 1, 0))
    np.testing.assert_array_equal(truth.foreign, row(1, 0, 0, 0))
    np.testing.assert_array_equal(truth.known, row(0, 0, 1, 0))
    assert (truth.labels == 255).all()


def test_share_counts_known_foreign_and_all_pixels():
    share = ForeignShare()
    share.accumulate(row(1, 0, 1, 1), PixelTruth.from_labels(LABELS, 3))
    share.accumulate(row(0, 0, 0, 1), PixelTruth.from_labels(LABELS, 3))
    assert share.shares() == {'known': 1 / 4, 'foreign': 1 / 2, 'all': 4 / 8}


def test_share_of_nothing_is_nan():
    share = ForeignShare()
    share.accumulate(row(1), PixelTruth.from_labels(np.array([[255]], np.uint8), 3))
    assert np.isnan(share.shares()['known'])
    assert share.shares()['all'] == 1


def test_void_is_right_in_a_negative_image_and_a_wrong_class_is_not():
    prediction = np.array([[255, 255, 0, 1, 1]], np.uint8)
    truth = np.array([[0, 255, 0, 0, 255]], np.uint8)
    np.testing.assert_array_equal(accept_void(prediction, truth), [[0, 255, 0, 1, 1]])


def test_smoothing_is_a_weighted_sum_over_the_past():
    frames = np.random.default_rng(0).random((4, 3, 5)).astype(np.float32)
    smoothing = ScoreSmoothing(0.25)
    smoothed = [smoothing.smooth(frame) for frame in frames]
    weights = [0.75 ** 3, 0.25 * 0.75 ** 2, 0.25 * 0.75, 0.25]
    np.testing.assert_array_equal(smoothed[0], frames[0])
    np.testing.assert_allclose(smoothed[3], np.tensordot(weights, frames, 1), rtol=1e-5)


def test_weight_one_leaves_scores_as_they_are():
    smoothing = ScoreSmoothing(1.0)
    for value in (0.0, 0.5):
        frame = np.full((2, 2), value, np.float32)
        np.testing.assert_array_equal(smoothing.smooth(frame), frame)


def test_a_frame_of_another_size_starts_anew():
    smoothing = ScoreSmoothing(0.5)
    smoothing.smooth(np.zeros((2, 2), np.float32))
    np.testing.assert_array_equal(smoothing.smooth(np.ones((3, 2), np.float32)), np.ones((3, 2)))


@pytest.mark.parametrize('share', [0, 1.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(EvaluationError, match=(
            f'share of the newest frame must be above 0 and at most 1, got {share}: choose 1')):
        ScoreSmoothing(share)
