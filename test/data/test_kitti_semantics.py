# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.driving import LABEL_IDS, write_kitti_semantics
from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.kitti import KittiSemantics
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import CITYSCAPES

# The published numbering: the place in this list is the id, '' is not evaluated.
PUBLISHED = (
    [''] * 7 + ['road', 'sidewalk', '', '', 'building', 'wall', 'fence', '', '', '', 'pole', '',
                'traffic light', 'traffic sign', 'vegetation', 'terrain', 'sky', 'person', 'rider',
                'car', 'truck', 'bus', '', '', 'train', 'motorcycle', 'bicycle'])


def test_ids_become_the_classes_of_the_published_table(tmp_path):
    write_kitti_semantics(tmp_path)
    labels = KittiSemantics(tmp_path, 'train')[0].labels
    names = np.array([*CITYSCAPES.class_names, *[''] * 237])
    np.testing.assert_array_equal(names[labels], np.array(PUBLISHED)[cycle(LABEL_IDS)])


def test_a_plain_folder_of_images_and_ids_is_read(tmp_path):
    write_image(tmp_path / 'images/000007_10.jpg')
    write_plane(tmp_path / 'labelIds/000007_10.png', cycle([7]))
    dataset = KittiSemantics(tmp_path, 'all')
    assert dataset[0].name == 'images/000007_10'
    assert (dataset[0].labels == 0).all()


def test_an_id_beyond_the_published_ones_is_refused(tmp_path):
    write_plane(write_kitti_semantics(tmp_path).label_file, cycle([7, 34]))
    with pytest.raises(DatasetError, match=r'ids 0 to 33, .*, got the ids \[34\]'):
        KittiSemantics(tmp_path, 'train')[0]


def test_every_fifth_image_is_held_out(tmp_path):
    for number in range(7):
        write_image(tmp_path / f'images/{number:06d}_10.jpg')
        write_plane(tmp_path / f'labelIds/{number:06d}_10.png', cycle([7]))
    val, train = KittiSemantics(tmp_path, 'val'), KittiSemantics(tmp_path, 'train')
    assert [val[i].name for i in range(len(val))] == ['images/000004_10']
    assert len(train) == 6


def test_real_frames_show_a_road_below_the_sky(real_data):
    dataset = KittiSemantics(real_data / 'kitti2015_semantic', 'all')
    assert len(dataset) == 24
    row, amount = {}, {}
    for number in range(0, 24, 3):
        labels = dataset[number].labels
        assert labels.shape[0] in (370, 374, 375, 376)
        for name in ('road', 'sky', 'vegetation', 'car'):
            where = np.nonzero(labels == CITYSCAPES.class_names.index(name))[0]
            row.setdefault(name, []).extend(where[::50])
            amount[name] = amount.get(name, 0) + len(where)
    assert np.mean(row['sky']) < np.mean(row['vegetation']) < np.mean(row['road'])
    assert amount['vegetation'] > amount['car'] > 0
