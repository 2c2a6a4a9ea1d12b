# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.everyday_images import CocoFolder
from ldn_perception.data.foreign_cutouts import ForeignCutouts, foreign_things
from ldn_perception.data.labelled_images import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import COCO_PANOPTIC, MSRC_V2
from ldn_perception.taxonomy.everyday import (
    COCO_PANOPTIC_TO_UNIVERSAL,
    COCO_THINGS,
    MSRC_V2_THINGS,
    MSRC_V2_TO_UNIVERSAL,
)

COW, DOG = MSRC_V2.class_names.index('cow'), MSRC_V2.class_names.index('dog')
BOXES = {'cow': np.s_[10:60, 20:80], 'dog': np.s_[70:110, 30:70]}


class Photographs:
    """One photograph with labels, as a dataset."""

    taxonomy = MSRC_V2

    def __init__(self, labels, instances=None):
        noise = np.random.default_rng(0).integers(0, 256, (*labels.shape, 3), np.uint8)
        self.sample = LabelledImage('one', noise, labels, instances=instances)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.sample


@pytest.fixture
def labels():
    labels = np.full((120, 160), 255, np.uint8)
    labels[BOXES['cow']] = COW
    labels[BOXES['dog']] = DOG
    return labels


def test_a_thing_is_cut_out_with_its_box_and_outline(labels):
    labels[10:30, 20:40] = 255
    dataset = Photographs(labels)
    cutout, = ForeignCutouts(dataset, ['cow'])
    assert cutout.class_id == COW
    np.testing.assert_array_equal(cutout.image, dataset[0].image[BOXES['cow']])
    np.testing.assert_array_equal(cutout.mask, labels[BOXES['cow']] == COW)


def test_only_the_classes_that_were_asked_for_are_cut_out(labels):
    assert [cutout.class_id for cutout in ForeignCutouts(Photographs(labels), ['dog'])] == [DOG]
    assert len(ForeignCutouts(Photographs(labels), ['cow', 'dog', 'cat'])) == 2


@pytest.mark.parametrize('spoil', [
    pytest.param(lambda labels: labels.__setitem__(np.s_[:60, 20:80], COW), id='at the border'),
    pytest.param(lambda labels: labels.__setitem__(np.s_[10:30, 20:80], 255), id='small'),
    pytest.param(lambda labels: labels.__setitem__(np.s_[20:50, 30:70], 255), id='with a hole'),
    pytest.param(lambda labels: labels.__setitem__(np.s_[10:57, 23:80], 255), id='thin'),
])
def test_what_is_not_a_whole_thing_is_left_out(labels, spoil):
    spoil(labels)
    assert [cutout.class_id for cutout in ForeignCutouts(
        Photographs(labels), ['cow', 'dog'])] == [DOG]


def test_instances_part_what_touches(labels):
    instances = np.zeros(labels.shape, np.int32)
    instances[BOXES['cow']] = 5
    labels[10:60, 80:120] = COW
    instances[10:60, 80:120] = 9
    widths = [cutout.mask.shape[1] for cutout in ForeignCutouts(
        Photographs(labels, instances), ['cow'])]
    assert widths == [60, 40]
    assert len(ForeignCutouts(Photographs(labels), ['cow'])) == 1


def test_a_large_thing_is_kept_smaller():
    labels = np.full((420, 600), 255, np.uint8)
    labels[10:410, 50:562] = COW
    cutout, = ForeignCutouts(Photographs(labels), ['cow'])
    assert cutout.mask.shape == (200, 256)
    assert cutout.image.shape == (200, 256, 3)


def test_a_rare_class_is_chosen_as_often_as_a_common_one():
    labels = np.full((200, 300), 255, np.uint8)
    for left in (10, 60, 110, 160):
        labels[10:50, left:left + 40] = COW
    labels[100:140, 10:50] = DOG
    cutouts = ForeignCutouts(Photographs(labels), ['cow', 'dog'])
    rng = np.random.default_rng(1)
    chosen = [cutouts.choose(rng).class_id for _ in range(400)]
    assert 160 < chosen.count(DOG) < 240


def test_things_of_the_road_and_doubtful_ones_are_not_foreign_things():
    names = foreign_things(COCO_PANOPTIC_TO_UNIVERSAL, COCO_THINGS)
    assert {'dog', 'chair', 'pizza', 'bowl', 'boat'} <= set(names)
    assert not {'person', 'car', 'stop sign', 'potted plant', 'clock', 'fire hydrant',
                'sand', 'rug-merged'} & set(names)
    assert foreign_things(MSRC_V2_TO_UNIVERSAL, MSRC_V2_THINGS) == [
        name for name in MSRC_V2.class_names if name in MSRC_V2_THINGS]


def test_an_unknown_class_is_refused(labels):
    with pytest.raises(DatasetError, match=r"classes to cut out must be of msrc_v2, got "
                       r"\['dragon'\]: check the spelling"):
        ForeignCutouts(Photographs(labels), ['cow', 'dragon'])


def test_photographs_without_a_thing_are_refused(labels):
    with pytest.raises(DatasetError, match=r'photographs to cut out of must be with whole things '
                       r'of at least 32 px, got none in 1: take others'):
        ForeignCutouts(Photographs(labels), ['cat'])


def test_the_real_photographs_have_things_of_many_classes(real_data):
    cutouts = ForeignCutouts(
        CocoFolder(real_data / 'foreign_coco', 'val'),
        foreign_things(COCO_PANOPTIC_TO_UNIVERSAL, COCO_THINGS))
    names = {COCO_PANOPTIC.class_names[cutout.class_id] for cutout in cutouts}
    assert len(names) > 10
    assert all(cutout.mask.any() for cutout in cutouts)
