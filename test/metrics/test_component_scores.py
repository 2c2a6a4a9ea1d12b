# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import ndimage

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood_report import (
    COMPONENT_TRACKS,
    THRESHOLDS,
    ComponentScores,
    ComponentTrack,
)

EVERY_SIZE = ComponentTrack(0, 0)


def sets_of_pixels(mask):
    numbers, count = ndimage.label(mask, np.ones((3, 3)))
    return [set(zip(*np.nonzero(numbers == number), strict=True))
            for number in range(1, count + 1)]


def slow_scores(images, track):
    """Sets of pixels, straight from section 4 of the paper."""
    siou, ppv = [], []
    for called, foreign, valid in images:
        objects = sets_of_pixels(foreign & valid)
        ignored = set().union(*(one for one in objects if len(one) < track.min_true_px), set())
        objects = [one for one in objects if len(one) >= track.min_true_px]
        found = [one - ignored for one in sets_of_pixels(called & valid)
                 if len(one) >= track.min_predicted_px]
        everything = set().union(*objects, set())
        for one in objects:
            touching = set().union(*(other for other in found if other & one), set())
            siou.append(len(one & touching) / len((one | touching) - (everything - one)))
        ppv += [len(one & everything) / len(one) for one in found if one]
    f1 = []
    for threshold in np.linspace(0.25, 0.75, 11):
        found = sum(value >= threshold for value in siou)
        wrong = sum(value < threshold for value in ppv)
        f1.append(2 * found / (2 * found + len(siou) - found + wrong))
    return np.mean(siou), np.mean(ppv), f1


def blobs(seed, share, shape=(60, 80)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return noise > np.quantile(noise, 1 - share)


@pytest.mark.parametrize('track', [EVERY_SIZE, ComponentTrack(20, 10)])
def test_scores_equal_sets_of_pixels(track):
    images = []
    for seed in range(6):
        foreign = blobs(seed, 0.12)
        called = ndimage.binary_dilation(foreign, iterations=seed % 3) & blobs(seed + 50, 0.7)
        images.append((called, foreign, ~blobs(seed + 90, 0.1)))
    scores = ComponentScores(track)
    for image in images:
        scores.accumulate(*image)
    siou, ppv, f1 = slow_scores(images, track)
    metrics = scores.metrics()
    assert metrics.siou == pytest.approx(siou)
    assert metrics.ppv == pytest.approx(ppv)
    assert metrics.f1 == pytest.approx(f1)
    assert metrics.mean_f1 == pytest.approx(np.mean(f1))
    assert 0.1 < metrics.mean_f1 < 0.9


def score(called, foreign, valid=None, track=EVERY_SIZE):
    called, foreign = (np.array(mask, np.bool_) for mask in (called, foreign))
    scores = ComponentScores(track)
    scores.accumulate(called, foreign, np.ones_like(called) if valid is None else valid)
    return scores.metrics()


def test_one_prediction_over_two_objects_is_held_against_neither():
    # each object: 2 px found; K has 5 px, of which 2 are on the other object, 1 on nothing
    metrics = score([[1, 1, 1, 1, 1]], [[1, 1, 0, 1, 1]])
    assert metrics.siou == pytest.approx(2 / 3)
    assert metrics.ppv == pytest.approx(4 / 5)
    assert (metrics.true_components, metrics.predicted_components) == (2, 1)


def test_diagonal_neighbours_are_one_component():
    assert score([[1, 0], [0, 1]], [[1, 0], [0, 1]]).true_components == 1


def test_worked_f1():
    # one of two objects is found whole; one prediction is on nothing: F1 = 2 / (2 + 1 + 1)
    metrics = score([[1, 1, 0, 0, 0, 0, 1]], [[1, 1, 0, 1, 1, 0, 0]])
    assert metrics.f1 == (0.5,) * 11
    assert metrics.mean_f1 == 0.5


def test_pixels_without_ground_truth_are_in_no_component():
    valid = np.array([[True, True, False, True]])
    metrics = score([[1, 1, 1, 0]], [[1, 1, 1, 0]], valid)
    assert metrics.siou == 1
    assert metrics.ppv == 1


def test_small_components_are_left_out():
    track = ComponentTrack(min_predicted_px=3, min_true_px=2)
    # the object of 1 px is ignored with the prediction's pixel on it; the prediction of 2 px too
    metrics = score([[1, 1, 1, 0, 1, 1, 0, 0]], [[1, 1, 1, 0, 0, 0, 0, 1]], track=track)
    assert (metrics.true_components, metrics.predicted_components) == (1, 1)
    assert metrics.mean_f1 == 1
    metrics = score([[1, 1, 1, 1]], [[1, 0, 0, 0]], track=track)
    assert metrics.true_components == 0
    assert metrics.ppv == 0


def test_nothing_there_and_nothing_called_has_no_score():
    metrics = score([[0, 0]], [[0, 0]])
    assert np.isnan([metrics.mean_f1, metrics.siou, metrics.ppv]).all()


def test_tracks_and_thresholds_are_those_of_the_benchmark():
    assert COMPONENT_TRACKS['anomaly'].min_predicted_px == 500
    assert COMPONENT_TRACKS['obstacle'].min_predicted_px == 50
    np.testing.assert_allclose(THRESHOLDS, [0.25 + 0.05 * step for step in range(11)])


def test_masks_that_do_not_fit_are_refused():
    mask = np.zeros((2, 2), np.bool_)
    with pytest.raises(EvaluationError, match=(
            r'foreign mask must be \(2, 2\) bool, got \(1, 2\) bool: give one truth value')):
        ComponentScores(EVERY_SIZE).accumulate(mask, mask[:1], mask)
