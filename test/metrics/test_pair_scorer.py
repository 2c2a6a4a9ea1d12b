# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError, TaxonomyError
from ldn_perception.metrics.ood import OodScores
from ldn_perception.metrics.pair_scorer import PairScorer, PairScores, ScoringTask
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.taxonomy import CAMVID, CITYSCAPES, UNIVERSAL

TASK = ScoringTask(CITYSCAPES, UNIVERSAL)
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


def test_scores_are_those_of_the_field_over_all_pairs():
    scorer = PairScorer(TASK)
    confusion, ood, stereo = ConfusionMatrix(19), OodScores(), StereoScores()
    for seed in range(3):
        results, truth = random_frame(seed)
        found = scorer.add(results, truth)
        own, own_stereo = ConfusionMatrix(19), StereoScores()
        own.accumulate(
            np.where(results['labels'] < 19, results['labels'], 255).astype(np.uint8),
            truth['labels'])
        confusion += own
        ood.accumulate(
            results['foreign_probability'], truth['foreign'],
            truth['foreign'] | (truth['labels'] != 255))
        own_stereo.accumulate(results['disparity'], truth['disparity'])
        stereo += own_stereo
        np.testing.assert_array_equal(found.confusion.counts, own.counts)
        np.testing.assert_array_equal(found.stereo.counts, own_stereo.counts)
        assert found.compared == {'labels', 'foreign', 'disparity'}
    np.testing.assert_array_equal(scorer.totals.confusion.counts, confusion.counts)
    expected, metrics = ood.metrics(), scorer.totals.ood.metrics()
    assert metrics.average_precision == pytest.approx(expected.average_precision, abs=2e-3)
    assert metrics.fpr95 == pytest.approx(expected.fpr95, abs=2e-3)
    assert metrics.foreign_pixels == expected.foreign_pixels
    assert scorer.totals.stereo.to_json() == stereo.to_json()


def test_parts_add_up_exactly_and_survive_as_arrays():
    whole, first, second = (PairScorer(TASK) for _ in range(3))
    for seed in range(4):
        pair = random_frame(seed)
        whole.add(*pair)
        (first if seed < 2 else second).add(*pair)
    merged = PairScores.from_arrays(first.totals.to_arrays())
    merged += PairScores.from_arrays(second.totals.to_arrays())
    for name, values in whole.totals.to_arrays().items():
        np.testing.assert_array_equal(merged.to_arrays()[name], values)
    assert merged.to_json(CITYSCAPES) == whole.totals.to_json(CITYSCAPES)


def test_nothing_to_measure_is_none():
    assert PairScorer(TASK).totals.to_json(CITYSCAPES) == {
        'segmentation': None, 'ood': None, 'disparity': None}


def test_only_what_has_a_result_and_ground_truth_is_scored():
    results, truth = random_frame(0)
    scores = PairScorer(TASK)
    assert scores.add(results, {}).compared == set()
    assert scores.add({'labels': results['labels']}, truth).compared == {'labels'}
    assert scores.add(results, {'disparity': truth['disparity']}).compared == {'disparity'}
    assert scores.totals.ood.metrics().foreign_pixels == 0


def test_a_mask_is_scored_as_the_two_values_it_has():
    _, truth = random_frame(0)
    mask = np.where(truth['foreign'], 255, 0).astype(np.uint8)
    scores = PairScorer(ScoringTask(CITYSCAPES, UNIVERSAL, 'ood_mask'))
    scores.add({'ood_mask': mask, 'labels': truth['labels']}, truth)
    assert scores.totals.ood.metrics().average_precision == 1
    assert scores.totals.ood.metrics().fpr95 == 0


def test_nothing_counts_of_a_frame_whose_sizes_differ():
    results, truth = random_frame(0)
    scores = PairScorer(TASK)
    with pytest.raises(EvaluationError, match=(
            r'results and ground truth of one stamp must be images of one size, got '
            r'published labels 36x24, .*published disparity 36x12, .*true disparity 36x24: rec')):
        scores.add({**results, 'disparity': results['disparity'][::2]}, truth)
    assert scores.totals.confusion.counts.sum() == 0


def test_published_classes_become_those_of_the_ground_truth():
    table = PairScorer(ScoringTask(CAMVID, UNIVERSAL))
    names = ['car', 'truck', 'road', 'sky', 'furniture']
    ids = np.array([[UNIVERSAL.class_names.index(name) for name in names] + [255]], np.uint8)
    car, road, sky = (CAMVID.class_names.index(name) for name in ('car', 'road', 'sky'))
    assert table.translate(ids).tolist() == [[car, car, road, sky, 255, 255]]


def test_the_own_classes_stay_what_they_are():
    ids = np.arange(256, dtype=np.uint8)[None]
    expected = [*range(19), *[255] * 237]
    assert PairScorer(ScoringTask(CITYSCAPES, UNIVERSAL)).translate(ids)[0].tolist() == expected


def test_classes_that_nothing_is_known_of_are_refused():
    with pytest.raises(TaxonomyError, match='label mapping must be from one of'):
        PairScorer(ScoringTask(CITYSCAPES, CAMVID))
