# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError, TaxonomyError
from ldn_perception.evaluation import ConfusionMatrix, OodScores, StereoScores
from ldn_perception.evaluation.live_frame import LabelTable, LiveFrameScores, LiveTask
from ldn_perception.taxonomy import CAMVID, CITYSCAPES, UNIVERSAL

TASK = LiveTask(CITYSCAPES, UNIVERSAL)
NAN = np.float32(np.nan)


def random_frame(seed, shape=(24, 36)):
    """Results and ground truth of a frame."""
    random = np.random.default_rng(seed)
    foreign = random.random(shape) < 0.2
    labels = random.integers(0, 19, shape).astype(np.uint8)
    labels[random.random(shape) < 0.1] = 255
    labels[foreign] = 255
    published = np.where(random.random(shape) < 0.6, labels, random.integers(0, 29, shape))
    truth_px = (random.random(shape) * 40).astype(np.float32)
    results = {
        'labels': published.astype(np.uint8),
        'foreign_probability': np.clip(
            random.normal(0.3 + 0.3 * foreign, 0.2), 0, 1).astype(np.float32),
        'disparity': np.where(random.random(shape) < 0.9, truth_px + random.normal(
            0, 2, shape), np.nan).astype(np.float32),
    }
    truth_px[random.random(shape) < 0.3] = NAN
    return results, {'labels': labels, 'foreign': foreign, 'disparity': truth_px}


def test_scores_are_those_of_the_field_over_all_frames():
    scores = LiveFrameScores(TASK)
    confusion, ood, stereo = ConfusionMatrix(19), OodScores(), StereoScores()
    for seed in range(3):
        results, truth = random_frame(seed)
        found = scores.accumulate(results, truth)
        own = ConfusionMatrix(19)
        for matrix in (own, confusion):
            matrix.accumulate(
                np.where(results['labels'] < 19, results['labels'], 255).astype(np.uint8),
                truth['labels'])
        ood.accumulate(
            results['foreign_probability'], truth['foreign'],
            truth['foreign'] | (truth['labels'] != 255))
        stereo.accumulate(results['disparity'], truth['disparity'])
        assert found['mean_iou'] == own.mean_iou
        assert found['foreign_share'] == truth['foreign'].mean()
    np.testing.assert_array_equal(scores.confusion.counts, confusion.counts)
    expected, metrics = ood.metrics(), scores.ood.metrics()
    assert metrics.average_precision == pytest.approx(expected.average_precision, abs=2e-3)
    assert metrics.fpr95 == pytest.approx(expected.fpr95, abs=2e-3)
    assert metrics.foreign_pixels == expected.foreign_pixels
    assert scores.stereo.d1_all == stereo.d1_all
    assert scores.stereo.density == stereo.density


def test_only_what_has_a_result_and_ground_truth_is_scored():
    results, truth = random_frame(0)
    scores = LiveFrameScores(TASK)
    assert scores.accumulate(results, {}) == {}
    assert set(scores.accumulate({'labels': results['labels']}, truth)) == {
        'mean_iou', 'pixel_accuracy'}
    assert set(scores.accumulate(results, {'disparity': truth['disparity']})) == {
        'd1', 'disparity_density'}
    assert scores.ood.metrics().foreign_pixels == 0


def test_a_mask_is_scored_as_the_two_values_it_has():
    _, truth = random_frame(0)
    mask = np.where(truth['foreign'], 255, 0).astype(np.uint8)
    scores = LiveFrameScores(LiveTask(CITYSCAPES, UNIVERSAL, 'ood_mask'))
    scores.accumulate({'ood_mask': mask, 'labels': truth['labels']}, truth)
    assert scores.ood.metrics().average_precision == 1
    assert scores.ood.metrics().fpr95 == 0


def test_nothing_counts_of_a_frame_whose_sizes_differ():
    results, truth = random_frame(0)
    scores = LiveFrameScores(TASK)
    with pytest.raises(EvaluationError, match=(
            r'results and ground truth of one stamp must be images of one size, got '
            r'published labels 36x24, .*published disparity 36x12, .*true disparity 36x24: rec')):
        scores.accumulate({**results, 'disparity': results['disparity'][::2]}, truth)
    assert scores.confusion.counts.sum() == 0


def test_published_classes_become_those_of_the_ground_truth():
    table = LabelTable(LiveTask(CAMVID, UNIVERSAL))
    names = ['car', 'truck', 'road', 'sky', 'furniture']
    ids = np.array([[UNIVERSAL.class_names.index(name) for name in names] + [255]], np.uint8)
    car, road, sky = (CAMVID.class_names.index(name) for name in ('car', 'road', 'sky'))
    assert table.translate(ids).tolist() == [[car, car, road, sky, 255, 255]]


def test_the_own_classes_stay_what_they_are():
    ids = np.arange(256, dtype=np.uint8)[None]
    expected = [*range(19), *[255] * 237]
    assert LabelTable(LiveTask(CITYSCAPES, UNIVERSAL)).translate(ids)[0].tolist() == expected


def test_classes_that_nothing_is_known_of_are_refused():
    with pytest.raises(TaxonomyError, match='label mapping must be from one of'):
        LabelTable(LiveTask(CITYSCAPES, CAMVID))
