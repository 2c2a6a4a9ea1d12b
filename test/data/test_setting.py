# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.everyday_images import CocoFolder
from ldn_perception.data.labelled_images import ImagesOfSetting, LabelledImage, SettingClasses
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import COCO_PANOPTIC

CLASSES = SettingClasses(
    indoor=('couch', 'floor-wood'), outdoor=('sky-other-merged', 'sea'),
    road=('road', 'pavement-merged'), ground=('sea',))


class _Photographs:
    """Photographs of 100 pixels, so many of them of each class as is said."""

    def __init__(self, *shares):
        self.taxonomy = COCO_PANOPTIC
        self._labels = [
            np.repeat([*(COCO_PANOPTIC.class_names.index(name) for name in share), 255],
                      [*share.values(), 100 - sum(share.values())]).astype(np.uint8)
            for share in shares]

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, index):
        return LabelledImage(
            str(index), np.zeros((10, 10, 3), np.uint8), self._labels[index].reshape(10, 10))


PHOTOGRAPHS = _Photographs(
    {'couch': 30, 'person': 20},
    {'couch': 30, 'sky-other-merged': 2},
    {'couch': 3, 'floor-wood': 2, 'sea': 1},
    {'floor-wood': 4},
    {'sea': 50, 'person': 10},
    {'person': 60},
    {},
    {'road': 1, 'pavement-merged': 1},
    {'couch': 30, 'road': 1},
    {'sea': 11},
)


def _names(setting, photographs=PHOTOGRAPHS):
    images = ImagesOfSetting(photographs, setting, CLASSES)
    assert images.taxonomy is COCO_PANOPTIC
    return [images[index].name for index in range(len(images))]


def test_rooms_are_indoor_though_a_window_shows_the_sky():
    assert _names('indoor') == ['0', '2', '8']


def test_what_is_not_indoor_for_certain_counts_as_outdoor():
    assert _names('outdoor') == ['1', '3', '4', '5', '6', '7', '9']


def test_a_fiftieth_of_road_makes_an_image_one_of_a_road():
    assert _names('road') == ['7']
    assert _names('roadless') == ['0', '1', '2', '3', '4', '5', '6', '8', '9']


def test_open_land_is_outdoor_with_an_eighth_of_ground():
    assert _names('open') == ['4']


def test_an_image_beyond_the_last_is_an_index_error():
    with pytest.raises(IndexError):
        ImagesOfSetting(PHOTOGRAPHS, 'indoor', CLASSES)[3]


def test_a_setting_without_images_is_refused():
    with pytest.raises(DatasetError, match=r'indoor images of coco_panoptic must be one or more, '
                       r'got none in 1: take another split, or the setting all'):
        ImagesOfSetting(_Photographs({'sea': 50}), 'indoor', CLASSES)


def test_a_class_of_another_dataset_is_refused():
    with pytest.raises(DatasetError, match=r"classes of a setting must be of coco_panoptic, got "
                       r"\['sofa'\]: check the spelling"):
        ImagesOfSetting(PHOTOGRAPHS, 'indoor', SettingClasses(('sofa',), (), (), ()))


@pytest.mark.parametrize('settings', [('indoor', 'outdoor'), ('road', 'roadless')])
def test_real_photographs_are_each_in_one_setting(real_data, settings):
    dataset = CocoFolder(real_data / 'foreign_coco', 'val')
    parts = [_names(setting, dataset) for setting in settings]
    assert all(parts)
    assert sorted([*parts[0], *parts[1]]) == [dataset[index].name for index in range(len(dataset))]
