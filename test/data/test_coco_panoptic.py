# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from ldn_perception.data.everyday_images import CocoFolder, CocoPanoptic
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.everyday import COCO_PANOPTIC

DOG, SKY, CAT, ROCK = (
    COCO_PANOPTIC.class_names.index(name) for name in ('dog', 'sky-other-merged', 'cat',
                                                       'rock-merged'))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(image))


def photograph(size=(4, 6)):
    return np.full((*size, 3), 90, np.uint8)


def colour_of(segment):
    """BGR of a segment, red being its lowest digit."""
    return segment // 65536, segment // 256 % 256, segment % 256


@pytest.fixture
def panoptic(tmp_path):
    """Two dogs of 70000 and 300, a crowd of cats 5, sky 255 and a pixel of nothing."""
    segments = np.array([[70000, 300, 255, 255], [70000, 300, 0, 5]])
    write(tmp_path / 'val2017/000000000007.jpg', photograph((2, 4)))
    write(tmp_path / 'annotations/panoptic_val2017/000000000007.png',
          np.stack(colour_of(segments), -1).astype(np.uint8))
    described = [(70000, 18, 0), (300, 18, 0), (255, 187, 0), (5, 17, 1)]
    (tmp_path / 'annotations/panoptic_val2017.json').write_text(json.dumps({'annotations': [{
        'file_name': '000000000007.png', 'image_id': 7, 'segments_info': [
            {'id': segment, 'category_id': category, 'iscrowd': crowd}
            for segment, category, crowd in described]}]}))
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    """Ten photographs of which the last two, one of each split, have no labels."""
    for number in range(1, 11):
        write(tmp_path / f'images/{number:04d}.jpg', photograph())
        if number < 9:
            write(tmp_path / f'labels/{number:04d}.png', np.full((4, 6), number, np.uint8))
    return tmp_path


def test_segments_become_classes_and_things(panoptic):
    dataset = CocoPanoptic(panoptic, 'val')
    assert len(dataset) == 1
    sample = dataset[0]
    assert sample.name == 'val2017/000000000007'
    assert sample.labels.tolist() == [[DOG, DOG, SKY, SKY], [DOG, DOG, 255, CAT]]
    first, second = sample.instances[0, :2]
    assert 0 < first != second > 0
    assert sample.instances.tolist() == [[first, second, 0, 0], [first, second, 0, 0]]


def test_a_segment_that_is_not_described_is_refused(panoptic):
    path = panoptic / 'annotations/panoptic_val2017/000000000007.png'
    write(path, np.full((2, 4, 3), colour_of(66), np.uint8))
    with pytest.raises(DatasetError, match=r'000000000007\.png must be made of the segments of '
                       r'its annotation, got others, \[66\]: unpack'):
        CocoPanoptic(panoptic, 'val')[0]


def test_annotations_that_are_not_there_are_named(tmp_path):
    write(tmp_path / 'train2017/1.jpg', photograph())
    with pytest.raises(DatasetError, match=r'panoptic_train2017\.json must be panoptic '
                       r'annotations, in a layout of \{train,val\}2017/NAME\.jpg.*got no file'):
        CocoPanoptic(tmp_path, 'train')


def test_damaged_annotations_are_named(panoptic):
    (panoptic / 'annotations/panoptic_val2017.json').write_text('{"annotations": [{"id": 1}]}')
    with pytest.raises(DatasetError, match=r'panoptic_val2017\.json must be .* got KeyError'):
        CocoPanoptic(panoptic, 'val')


def test_a_missing_photograph_is_named(panoptic):
    photo = panoptic / 'val2017/000000000007.jpg'
    photo.rename(photo.with_stem('8'))
    with pytest.raises(DatasetError, match=r'val2017/000000000007\.jpg must be there, in a '
                       r'layout of .* got 1 of 1 such files missing'):
        CocoPanoptic(panoptic, 'val')


def test_a_folder_holds_out_every_fifth_photograph_with_labels_or_without(folder):
    names = {split: [CocoFolder(folder, split)[index].name for index in range(len(
        CocoFolder(folder, split)))] for split in ('train', 'val', 'all')}
    assert names['val'] == ['images/0005']
    assert names['train'] == [f'images/{number:04d}' for number in (1, 2, 3, 4, 6, 7, 8)]
    assert names['all'] == sorted(names['train'] + names['val'])


def test_category_ids_become_classes(folder):
    ids = np.array([[18, 187, 198], [0, 17, 1]], np.uint8)
    write(folder / 'images/0001.jpg', photograph((2, 3)))
    write(folder / 'labels/0001.png', ids)
    assert CocoFolder(folder, 'train')[0].labels.tolist() == [[DOG, SKY, ROCK], [255, CAT, 0]]


def test_a_category_that_does_not_exist_is_refused(folder):
    write(folder / 'labels/0001.png', np.full((4, 6), 12, np.uint8))
    with pytest.raises(DatasetError, match=r'0001\.png must be category ids of COCO panoptic '
                       r'and 0 for unlabelled, got the ids \[12\]'):
        CocoFolder(folder, 'train')[0]


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r'must be a folder with images/NAME\.jpg and, for '
                       r'those with labels, labels/NAME\.png with category ids, got nothing'):
        CocoFolder(tmp_path, 'all')


def test_the_real_photographs_are_read(real_data):
    dataset = CocoFolder(real_data / 'foreign_coco', 'all')
    assert len(dataset) == 200
    seen = np.zeros(256, np.int64)
    for index in range(0, len(dataset), 10):
        seen += np.bincount(dataset[index].labels.ravel(), minlength=256)
    assert 0.4 < 1 - seen[255] / seen.sum() < 1.0
    assert (seen[:len(COCO_PANOPTIC)] > 0).sum() > 30
