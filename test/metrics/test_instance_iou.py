# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.segmentation import AVERAGE_SIZES_PX, ConfusionMatrix, InstanceIou
from ldn_perception.taxonomy import CITYSCAPES, ClassInfo, Domain, Taxonomy

ROAD, PERSON, RIDER, CAR = (
    CITYSCAPES.class_names.index(name) for name in ('road', 'person', 'rider', 'car'))


def scored(*images):
    iou, confusion = InstanceIou(CITYSCAPES), ConfusionMatrix(19)
    for prediction, truth, instances in images:
        labels = np.array([prediction], np.uint8), np.array([truth], np.uint8)
        iou.accumulate(*labels, np.array([instances], np.int32))
        confusion.accumulate(*labels)
    return iou.iou(confusion), iou.category_iou(confusion)


def test_a_small_instance_weighs_as_much_as_a_large_one():
    # car 7 of 8 px is found whole; car 9 of 2 px is missed; one pixel of road is called car.
    # Each instance weighs 12794.0202 in all: TP = 12794.0202, FN = 12794.0202, FP = 1.
    classes, categories = scored((
        [CAR] * 8 + [ROAD] * 2 + [CAR], [CAR] * 10 + [ROAD], [7] * 8 + [9] * 2 + [0]))
    assert classes[CAR] == pytest.approx(12794.0202 / (2 * 12794.0202 + 1), rel=1e-12)
    assert categories['vehicle'] == pytest.approx(classes[CAR])


def test_parts_of_an_instance_and_several_images_add_up():
    # person: 1 of 4 px in one image, 2 of 2 px in another; weights 3462.4756 / 4 and / 2.
    # A car pixel called person is a false positive of weight 1.
    classes, _ = scored(
        ([PERSON, ROAD, ROAD, 255, PERSON], [PERSON] * 4 + [CAR], [1, 1, 1, 1, 0]),
        ([PERSON, PERSON], [PERSON, PERSON], [1, 1]))
    found, missed = 3462.4756 * (1 / 4 + 1), 3462.4756 * 3 / 4
    assert classes[PERSON] == pytest.approx(found / (found + missed + 1), rel=1e-12)


def test_category_finds_an_instance_under_the_name_of_a_sibling():
    # one rider of 2 px: one called person, one road. human: TP = FN = 3930.4788 / 2, FP = 0.
    classes, categories = scored(([PERSON, ROAD], [RIDER] * 2, [3, 3]))
    assert classes[RIDER] == 0
    assert categories['human'] == pytest.approx(0.5)
    assert np.isnan(categories['vehicle'])


def test_one_number_in_two_classes_means_two_instances():
    classes, _ = scored(([CAR, CAR, ROAD, ROAD], [CAR, CAR, PERSON, PERSON], [1] * 4))
    assert classes[CAR] == 1
    assert classes[PERSON] == 0


def test_pixels_outside_instances_are_neither_found_nor_missed():
    classes, _ = scored(([CAR, ROAD, ROAD], [CAR, CAR, CAR], [4, 0, 0]))
    assert classes[CAR] == 1


def test_classes_without_instances_have_no_score():
    classes, categories = scored(([CAR], [CAR], [1]))
    assert [index for index in range(19) if not np.isnan(classes[index])] == [CAR]
    assert list(categories) == ['human', 'vehicle']


def test_a_category_with_a_class_that_has_no_instances_is_left_out():
    taxonomy = Taxonomy('mixed', tuple(
        ClassInfo(name, (0, 0, 0), Domain.DRIVING, 'moving') for name in ('car', 'smoke')))
    assert InstanceIou(taxonomy).category_iou(ConfusionMatrix(2)) == {}


def test_averages_are_those_of_the_public_evaluator():
    public = {
        'bicycle': 4672.3249222261, 'caravan': 36771.8241758242, 'motorcycle': 6298.7200839748,
        'rider': 3930.4788056518, 'bus': 35732.1511111111, 'train': 67583.7075812274,
        'car': 12794.0202738185, 'person': 3462.4756337644, 'truck': 27855.1264367816,
        'trailer': 16926.9763313609,
    }
    assert public == pytest.approx(AVERAGE_SIZES_PX, abs=1e-4)


def test_sizes_that_differ_are_refused():
    labels = np.zeros((2, 2), np.uint8)
    with pytest.raises(EvaluationError, match=(
            r'instances must be \(2, 2\) as prediction and ground truth, got \(1, 2\) and \(2, 2\)'
    )):
        InstanceIou(CITYSCAPES).accumulate(labels, labels, np.zeros((1, 2), np.int32))
