# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Street datasets of many frames: Cityscapes at 256 px, IDD Lite and LabelMeFacade."""

from data.fixtures.driving import (
    write_cityscapes_256,
    write_idd_lite,
    write_label_me_facade,
)
from data.fixtures.written import HEIGHT, WIDTH, cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.cityscapes import Cityscapes256
from ldn_perception.data.driving_images import IddLite, LabelMeFacade
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import CITYSCAPES, IDD_LITE, LABEL_ME_FACADE, UNIVERSAL
from ldn_perception.taxonomy.mappings import label_mapping


class TestCityscapes256:
    def test_labels_keep_their_ids_when_stretched(self, tmp_path):
        columns = np.arange(WIDTH, dtype=np.uint8) % 19
        write_image(tmp_path / 'train/images/0001.png')
        write_plane(tmp_path / 'train/labels/0001.png', np.tile(columns, (HEIGHT, 1)))
        labels = Cityscapes256(tmp_path, 'train')[0].labels
        # 20 columns become 24: the centre of each is asked for the column it lies in.
        source = ((np.arange(2 * HEIGHT) + 0.5) * WIDTH / (2 * HEIGHT)).astype(int)
        np.testing.assert_array_equal(labels, np.tile(columns[source], (HEIGHT, 1)))

    def test_an_id_that_is_no_training_id_is_refused(self, tmp_path):
        write_plane(write_cityscapes_256(tmp_path).label_file, cycle([0, 26, 33]))
        with pytest.raises(DatasetError, match=r'must be training ids 0 to 18 .*got the ids \[26'):
            Cityscapes256(tmp_path, 'val')[0]

    def test_real_frames_have_the_aspect_of_the_camera(self, real_data):
        root = real_data / 'cityscapes_256'
        assert (len(Cityscapes256(root, 'train')), len(Cityscapes256(root, 'val'))) == (2801, 174)
        frame = Cityscapes256(root, 'val')[0]
        assert frame.image.shape == (256, 512, 3)
        rows = np.indices(frame.labels.shape)[0]
        height = {
            name: rows[frame.labels == CITYSCAPES.class_names.index(name)].mean()
            for name in ('sky', 'vegetation', 'road')}
        assert height['sky'] < height['vegetation'] < height['road']


class TestIddLite:
    def test_groups_may_be_any_of_their_classes(self):
        sets = label_mapping(IDD_LITE, UNIVERSAL).sets
        assert sets['vehicle'] == ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle')
        assert sets['sky'] == ('sky',)
        assert 'animal' in sets['living thing']

    def test_a_folder_of_images_is_split_by_every_fifth(self, tmp_path):
        for number in range(10):
            write_image(tmp_path / f'images/{number}.jpg')
            write_plane(tmp_path / f'labels/{number}.png', cycle([0, 6]))
        val = IddLite(tmp_path, 'val')
        assert [val[index].name for index in range(len(val))] == ['images/4', 'images/9']
        assert len(IddLite(tmp_path, 'train')) == 8

    def test_published_folders_have_no_further_split(self, tmp_path):
        write_idd_lite(tmp_path)
        with pytest.raises(DatasetError, match=r'split of IDD Lite must be one of train, val'):
            IddLite(tmp_path, 'all')

    def test_an_eighth_group_is_refused(self, tmp_path):
        write_plane(write_idd_lite(tmp_path).label_file, cycle([0, 7]))
        with pytest.raises(DatasetError, match=r'must be ids 0 to 6 of the groups.*ids \[7\]'):
            IddLite(tmp_path, 'train')[0]

    def test_real_groups_lie_where_they_belong(self, real_data):
        dataset = IddLite(real_data / 'idd_lite' / 'train', 'all')
        assert len(dataset) == 1403
        counts = np.zeros((len(IDD_LITE), 2))
        for number in range(0, len(dataset), 100):
            labels = dataset[number].labels
            top, bottom = np.array_split(labels, 2)
            for index in range(len(IDD_LITE)):
                counts[index] += (top == index).sum(), (bottom == index).sum()
        sky, drivable = (IDD_LITE.class_names.index(name) for name in ('sky', 'drivable'))
        assert counts[sky, 0] > 20 * counts[sky, 1]
        assert counts[drivable, 1] > 20 * counts[drivable, 0]


class TestLabelMeFacade:
    def test_training_ids_become_the_classes_of_the_dataset(self, tmp_path):
        write_label_me_facade(tmp_path)
        labels = LabelMeFacade(tmp_path, 'all')[0].labels
        np.testing.assert_array_equal(
            labels[0, :7], [*(LABEL_ME_FACADE.class_names.index(name) for name in (
                'road', 'pavement', 'building', 'vegetation', 'sky', 'car')), 255])

    def test_classes_it_does_not_tell_apart_may_be_either(self):
        sets = label_mapping(LABEL_ME_FACADE, UNIVERSAL).sets
        assert sets['vegetation'] == ('vegetation', 'terrain')
        assert sets['road'] == ('road',)

    def test_people_have_no_id(self, tmp_path):
        write_plane(write_label_me_facade(tmp_path).label_file, cycle([0, 11]))
        with pytest.raises(DatasetError, match=r'training ids of Cityscapes \[0, 1, 2, 8, 10, 13'):
            LabelMeFacade(tmp_path, 'all')[0]

    def test_real_photographs_are_all_read(self, real_data):
        dataset = LabelMeFacade(real_data / 'label_me_facade', 'all')
        assert len(dataset) == 92
        assert max(dataset[0].image.shape) == 384
