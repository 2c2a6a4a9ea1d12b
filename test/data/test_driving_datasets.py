# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from data.fixtures.driving import (
    write_kitti_445,
    write_mapillary_vistas,
    write_wilddash,
)
from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.driving_images import Bdd100k, MapillaryVistas, WildDash
from ldn_perception.data.kitti import BASELINE_M, Kitti445
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import CITYSCAPES, KITTI11, MAPILLARY


class TestBdd100k:
    def test_folders_of_the_first_release_are_read(self, tmp_path):
        write_image(tmp_path / 'seg/images/train/a.jpg')
        write_plane(tmp_path / 'seg/labels/train/a_train_id.png', cycle([13, 255]))
        np.testing.assert_array_equal(Bdd100k(tmp_path, 'train')[0].labels, cycle([13, 255]))

    def test_label_ids_instead_of_train_ids_are_refused(self, tmp_path):
        write_image(tmp_path / 'seg/images/train/a.jpg')
        write_plane(tmp_path / 'seg/labels/train/a_train_id.png', cycle([7, 26]))
        with pytest.raises(DatasetError, match=r'train ids 0 to 18, .*, got the ids \[26\]'):
            Bdd100k(tmp_path, 'train')[0]


class TestKitti445:
    def test_colours_become_classes_and_black_is_void(self, tmp_path):
        write_kitti_445(tmp_path)
        rows = [KITTI11.class_names[i] if i != 255 else None
                for i in Kitti445(tmp_path, 'test')[0].labels[:, 0]]
        assert rows == ['road'] * 4 + ['sky'] * 4 + [None] * 4

    def test_depth_images_hold_whole_pixels_of_disparity(self, tmp_path):
        write_kitti_445(tmp_path)
        size = Kitti445(tmp_path, 'test')[0].pixels_per_metre
        np.testing.assert_array_equal(np.isnan(size), cycle([0, 10, 40]) == 0)
        assert np.nanmax(size) == pytest.approx(40 / BASELINE_M)

    def test_without_depth_there_is_no_size(self, tmp_path):
        image = write_kitti_445(tmp_path).image_files[0]
        (tmp_path / 'valid/data/depth' / image.name).unlink()
        assert Kitti445(tmp_path, 'test')[0].pixels_per_metre is None

    def test_a_strange_colour_is_refused(self, tmp_path):
        colors = np.full((12, 20, 3), (1, 2, 3), np.uint8)
        write_plane(write_kitti_445(tmp_path).label_file, colors)
        with pytest.raises(DatasetError, match=r"class colours and black, got \['#010203'\]"):
            Kitti445(tmp_path, 'test')[0]


class TestMapillaryVistas:
    def test_class_list_has_the_published_order(self):
        published = {0: 'animal--bird', 13: 'construction--flat--road', 27: 'nature--sky',
                     19: 'human--person', 55: 'object--vehicle--car', 64: 'void--ego-vehicle'}
        assert {index: MAPILLARY.class_names[index] for index in published} == published
        assert len(MAPILLARY) == 65

    def test_labels_are_the_ids_of_the_file_and_unlabelled_is_void(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        np.testing.assert_array_equal(
            MapillaryVistas(tmp_path, 'val')[0].labels, cycle([0, 13, 27, 55, 255]))

    def test_only_classes_with_instances_have_them(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        np.testing.assert_array_equal(
            MapillaryVistas(tmp_path, 'val')[0].instances,
            cycle([0, 0, 0, 55 * 256 + 3 + 1, 0], np.int32))

    def test_a_list_in_another_order_is_followed(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        config = json.loads((tmp_path / 'config.json').read_text())
        config['labels'].reverse()
        (tmp_path / 'config.json').write_text(json.dumps(config))
        np.testing.assert_array_equal(
            MapillaryVistas(tmp_path, 'val')[0].labels, cycle([255, 52, 38, 10, 0]))

    def test_files_of_release_2_are_read_in_their_version_1_2(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        (tmp_path / 'config.json').rename(tmp_path / 'config_v1.2.json')
        (tmp_path / 'validation/v1.2').mkdir()
        for kind in ('labels', 'instances'):
            (tmp_path / 'validation' / kind).rename(tmp_path / 'validation/v1.2' / kind)
        assert MapillaryVistas(tmp_path, 'val')[0].labels[0, 1] == 13

    def test_another_class_list_is_refused(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        text = (tmp_path / 'config.json').read_text()
        (tmp_path / 'config.json').write_text(text.replace('nature--sky', 'nature--clouds'))
        with pytest.raises(DatasetError, match=r"release 1\.2, .*'nature--clouds', 'nature--sky'"):
            MapillaryVistas(tmp_path, 'val')

    def test_a_missing_class_list_is_named(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        (tmp_path / 'config.json').unlink()
        with pytest.raises(DatasetError, match=r'config\.json must be the class list, .*no file'):
            MapillaryVistas(tmp_path, 'val')

    def test_instances_of_a_class_that_is_not_there_are_refused(self, tmp_path):
        write_mapillary_vistas(tmp_path)
        write_plane(tmp_path / 'validation/instances/abc.png', cycle([70 * 256], np.uint16))
        with pytest.raises(DatasetError, match=r'abc\.png must be of classes below 66, got 70'):
            MapillaryVistas(tmp_path, 'val')[0]


class TestWildDash:
    def test_listed_images_are_negative(self, tmp_path):
        write_wilddash(tmp_path)
        dataset = WildDash(tmp_path, 'val')
        assert {image.name: image.negative for image in (dataset[0], dataset[1])} == {
            'ar0000_100000': False, 'zz0001_100000': True}

    def test_without_a_list_nothing_is_negative(self, tmp_path):
        write_wilddash(tmp_path)
        (tmp_path / 'negatives.txt').unlink()
        assert not WildDash(tmp_path, 'val')[1].negative

    def test_release_2_brings_its_own_numbers(self, tmp_path):
        write_release_2(tmp_path, [*CITYSCAPES.class_names, 'van', 'road-marking', 'billboard'])
        labels = WildDash(tmp_path, 'val')[0].labels
        names = [CITYSCAPES.class_names[i] if i != 255 else None for i in labels[0, :4]]
        assert names == ['road', 'car', 'road', None]

    def test_release_2_calls_a_train_on_rails(self, tmp_path):
        names = ['on rails' if name == 'train' else name for name in CITYSCAPES.class_names]
        write_release_2(tmp_path, [*names, 'van', 'road marking', 'billboard'])
        assert len(WildDash(tmp_path, 'val')) == 1

    def test_a_list_without_one_of_the_19_is_refused(self, tmp_path):
        write_release_2(tmp_path, [*CITYSCAPES.class_names[:-1], 'x', 'y', 'z'])
        with pytest.raises(DatasetError, match=r"all 19 classes .* got none for \['bicycle'\]"):
            WildDash(tmp_path, 'val')


def write_release_2(root, names):
    categories = [{'id': 100 + index, 'name': name} for index, name in enumerate(names)]
    (root / 'panoptic.json').write_text(json.dumps({'categories': categories}))
    write_image(root / 'images/aa0000.jpg')
    write_plane(root / 'labels/aa0000.png', cycle([100, 119, 120, 121]))
