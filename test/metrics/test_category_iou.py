# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.segmentation import ConfusionMatrix, category_iou
from ldn_perception.taxonomy import CITYSCAPES, ClassInfo, Domain, Taxonomy


def taxonomy_of(*categories):
    return Taxonomy('small', tuple(
        ClassInfo(f'class {index}', (0, 0, 0), Domain.DRIVING, category)
        for index, category in enumerate(categories)))


def counted(prediction, truth, num_classes):
    matrix = ConfusionMatrix(num_classes)
    matrix.accumulate(np.array(prediction, np.uint8), np.array(truth, np.uint8))
    return matrix


def test_category_iou_equals_scikit_learn_on_labels_that_were_grouped_first():
    random = np.random.default_rng(0)
    truth = random.integers(0, 19, (40, 50)).astype(np.uint8)
    prediction = np.where(random.random((40, 50)) < 0.4, truth, random.integers(0, 20, (40, 50)))
    matrix = counted(prediction, truth, 19)
    names = [info.category for info in CITYSCAPES.classes]
    groups = [*names, 'no class']
    true_groups = [names[label] for label in truth.flat]
    predicted_groups = [groups[label] for label in prediction.flat]
    scores = category_iou(matrix, CITYSCAPES)
    assert list(scores) == [
        'flat', 'construction', 'object', 'nature', 'sky', 'human', 'vehicle']
    for name, score in scores.items():
        assert score == pytest.approx(jaccard_score(
            true_groups, predicted_groups, labels=[name], average='macro'))


def test_confusion_inside_a_category_costs_nothing():
    matrix = counted([[1, 0, 2, 2]], [[0, 1, 2, 2]], 3)
    assert category_iou(matrix, taxonomy_of('flat', 'flat', 'sky')) == {'flat': 1.0, 'sky': 1.0}


def test_void_prediction_and_other_categories_cost():
    # flat: 2 right, 1 void, 1 sky; sky: 1 right, 1 flat
    matrix = counted([[0, 1, 255, 2, 2, 0]], [[0, 0, 1, 1, 2, 2]], 3)
    scores = category_iou(matrix, taxonomy_of('flat', 'flat', 'sky'))
    assert scores == {'flat': pytest.approx(2 / 5), 'sky': pytest.approx(1 / 3)}


def test_a_category_without_ground_truth_has_no_score():
    scores = category_iou(counted([[1]], [[0]], 2), taxonomy_of('flat', 'sky'))
    assert scores['flat'] == 0
    assert np.isnan(scores['sky'])


def test_matrix_of_another_taxonomy_is_refused():
    with pytest.raises(EvaluationError, match=(
            'confusion matrix must be of the 2 driving classes of small, got 3: count in')):
        category_iou(ConfusionMatrix(3), taxonomy_of('flat', 'sky'))
