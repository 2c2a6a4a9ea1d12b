# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest

from ldn_perception.decoding import dense_crf
from ldn_perception.decoding.dense_crf import (
    CRF_PRESETS,
    THESIS_GRID,
    CrfParameters,
    DenseCrf,
    appearance_features,
)
from ldn_perception.errors import SegmentationError
from ldn_perception.taxonomy.driving import LABEL_ID_TO_CLASS

KITTI = Path(__file__).resolve().parents[3] / 'shared/data/kitti2015_000046'


def softmax(scores):
    weights = np.exp(scores - scores.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def normalised_gaussian(features):
    """The whole N x N matrix, in double precision."""
    features = features.astype(np.float64)
    squares = (features**2).sum(1)
    kernel = np.exp(-np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0) / 2)
    sums = kernel.sum(1)
    return kernel / np.sqrt(sums[:, None] * sums)


def refine_slowly(probabilities, image, parameters):
    """Mean field with both kernels summed over all pairs of pixels."""
    height, width = image.shape[:2]
    places = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    colors = image.reshape(-1, 3) / parameters.color_deviation
    appearance = normalised_gaussian(
        np.hstack([places / parameters.position_deviation_px, colors]))
    smoothness = normalised_gaussian(places / parameters.smoothness_deviation_px)
    kernel = (parameters.appearance_weight * appearance
              + parameters.smoothness_weight * smoothness)
    unary = -np.log(probabilities.reshape(len(probabilities), -1).T.astype(np.float64))
    marginals = softmax(-unary)
    for _ in range(parameters.num_iterations):
        energy_of_others = kernel @ (1 - marginals)  # Potts: every other label costs 1
        marginals = softmax(-unary - energy_of_others)
    return marginals.T.reshape(probabilities.shape)


def scene(noise, seed=0):
    """A road, a disc and a pole in a 36 x 54 image, and their labels."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:36, :54]
    labels = np.zeros((36, 54), np.uint8)
    labels[y > 21 + 0.1 * x] = 1
    labels[(x - 16)**2 + (y - 16)**2 < 60] = 2
    labels[(abs(x - 40) < 3) & (y > 5) & (y < 31)] = 3
    colors = np.array([[90, 120, 160], [80, 80, 85], [170, 40, 40], [60, 140, 50]])
    image = colors[labels] + generator.normal(0, noise, (36, 54, 3))
    return np.clip(image, 0, 255).astype(np.uint8), labels


def coarse_probabilities(labels, seed=0):
    """Softmax of noisy scores at a sixth of the resolution."""
    generator = np.random.default_rng(seed)
    height, width = labels.shape
    scores = [
        cv2.resize(3 * (labels[::6, ::6] == c).astype(np.float32), (width, height))
        for c in range(4)]
    scores += generator.normal(0, 1, (4, height, width))
    return softmax(scores.reshape(4, -1).T).T.reshape(4, height, width).astype(np.float32)


@pytest.mark.parametrize('preset', CRF_PRESETS)
@pytest.mark.parametrize(('noise', 'agreement', 'error'), [
    (0, 0.99, 0.003), (3, 0.99, 0.003),
    (8, 0.98, 0.01),  # noisier than colours that count as alike: the lattice is sparse
])
def test_labels_agree_with_mean_field_over_all_pairs(preset, noise, agreement, error):
    image, labels = scene(noise)
    probabilities = coarse_probabilities(labels)
    refined = DenseCrf(CRF_PRESETS[preset], 2).refine(probabilities, image)
    exact = refine_slowly(probabilities, image, CRF_PRESETS[preset])
    assert (refined.argmax(0) == exact.argmax(0)).mean() >= agreement
    assert np.abs(refined - exact).mean() < error
    before, after = (
        (values.argmax(0) == labels).mean() for values in (probabilities, refined))
    assert after > before + 0.05


def test_without_appearance_the_probabilities_are_those_of_mean_field_over_all_pairs():
    image, labels = scene(0)
    parameters = CrfParameters(appearance_weight=0.0, smoothness_weight=2.0)
    probabilities = coarse_probabilities(labels)
    np.testing.assert_allclose(
        DenseCrf(parameters).refine(probabilities, image),
        refine_slowly(probabilities, image, parameters), atol=2e-3)


@pytest.mark.parametrize('parameters', [
    CrfParameters(num_iterations=0),
    CrfParameters(appearance_weight=0.0, smoothness_weight=0.0),
], ids=['no iterations', 'no weights'])
def test_without_neighbours_the_probabilities_stay(parameters):
    image, labels = scene(3)
    probabilities = coarse_probabilities(labels)
    refined = DenseCrf(parameters).refine(probabilities, image)
    assert refined.dtype == np.float32
    assert refined.flags.c_contiguous
    np.testing.assert_allclose(refined, probabilities, atol=1e-6)


def test_refined_probabilities_sum_to_one_where_some_were_zero():
    image, labels = scene(3)
    certain = (labels == np.arange(4)[:, None, None]).astype(np.float32)
    refined = DenseCrf(CRF_PRESETS['thesis']).refine(certain, image)
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(refined.argmax(0), labels)


def test_threads_do_not_change_the_result_nor_a_call_the_next():
    image, labels = scene(3)
    probabilities, kept = coarse_probabilities(labels), coarse_probabilities(labels)
    crf = DenseCrf(CRF_PRESETS['thesis'], 3)
    first, second = crf.refine(probabilities, image), crf.refine(probabilities, image)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(probabilities, kept)
    np.testing.assert_array_equal(
        first, DenseCrf(CRF_PRESETS['thesis'], 1).refine(probabilities, image))


@pytest.mark.skipif(not KITTI.is_dir(), reason='KITTI 2015 pair 000046 is not here')
def test_noisy_blocks_over_a_real_image_are_cleaned():
    window = np.s_[100:300, 200:600]
    image = cv2.imread(str(KITTI / 'left.png'))[:, :, ::-1][window]
    label_ids = cv2.imread(str(KITTI / 'semantic_labelIds.png'), cv2.IMREAD_UNCHANGED)
    labels = LABEL_ID_TO_CLASS[label_ids][window]
    generator = np.random.default_rng(0)
    is_wrong, wrong = (
        np.kron(values, np.ones((4, 4), np.uint8)) for values in (
            generator.random((50, 100)) < 0.3, generator.integers(0, 19, (50, 100))))
    noisy = np.where(is_wrong, wrong, labels)
    probabilities = np.full((19, *labels.shape), 0.5 / 18, np.float32)
    probabilities[noisy == np.arange(19)[:, None, None]] = 0.5
    probabilities /= probabilities.sum(0)
    refined = DenseCrf(CRF_PRESETS['thesis'], 2).refine(probabilities, image)
    before, after = (
        mean_iou(values.argmax(0), labels) for values in (probabilities, refined))
    assert before < 0.55
    assert after > before + 0.1


def mean_iou(predicted, labels):
    valid = labels != 255
    return np.mean([
        (valid & (predicted == c) & (labels == c)).sum()
        / (valid & ((predicted == c) | (labels == c))).sum()
        for c in np.unique(labels[valid])])


def test_features_are_positions_and_colours_in_standard_deviations():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    features = appearance_features(image, 10.0, 4.0)
    assert features.shape == (6, 5)
    np.testing.assert_allclose(features[5], [0.2, 0.1, 15 / 4, 16 / 4, 17 / 4])


def test_compiling_does_not_change_what_the_source_says():
    generator = np.random.default_rng(0)
    unary, appearance, smoothness = generator.random((3, 5, 4), dtype=np.float32)
    arguments = 0, 5, unary, appearance, smoothness, np.float32(2), np.float32(3)
    compiled, interpreted = np.empty((2, 5, 4), np.float32)
    dense_crf._weighted_softmax(*arguments, compiled)
    dense_crf._weighted_softmax.py_func(*arguments, interpreted)
    np.testing.assert_allclose(compiled, interpreted, atol=1e-6)
    np.testing.assert_allclose(
        compiled, softmax(unary + 2 * appearance + 3 * smoothness), atol=1e-6)


def test_the_presets_are_what_their_sources_say():
    assert len(set(THESIS_GRID)) == 70
    assert CRF_PRESETS['thesis'] in THESIS_GRID
    assert all(preset.num_iterations == 10 for preset in CRF_PRESETS.values())


@pytest.mark.parametrize(('name', 'value', 'must_be'), [
    ('appearance_weight', -1.0, '>= 0'), ('smoothness_weight', -0.1, '>= 0'),
    ('num_iterations', -1, '>= 0'), ('position_deviation_px', 0.0, '> 0'),
    ('color_deviation', -3.0, '> 0'), ('smoothness_deviation_px', 0.0, '> 0'),
])
def test_parameters_out_of_range_are_refused(name, value, must_be):
    with pytest.raises(SegmentationError, match=f'CRF {name} must be {must_be}, got {value}: '):
        CrfParameters(**{name: value})


@pytest.mark.parametrize('image', [
    np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.float32),
], ids=['size', 'grey', 'dtype'])
def test_an_image_that_does_not_fit_is_refused(image):
    with pytest.raises(SegmentationError, match=r'CRF image must be \(4, 5, 3\) uint8'):
        DenseCrf(CrfParameters()).refine(np.full((2, 4, 5), 0.5, np.float32), image)
