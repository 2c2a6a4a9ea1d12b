# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from data.fixtures.written import cycle, write_image, write_plane
import numpy as np
import pytest

from ldn_perception.data.anomaly_sets import (
    ANOMALY_SETS,
    AnomalyFolder,
    AnomalyImage,
    SegmentMeIfYouCan,
    build_anomaly_set,
)
from ldn_perception.errors import DatasetError

MASK = cycle([0, 1, 255, 0, 0])


def write_anomaly_folder(root):
    for name in ('0', '1'):
        write_plane(root / f'masks/{name}.png', MASK)
    return [write_image(root / 'images/0.png'), write_image(root / 'images/1.webp')]


def write_track(root):
    """Write two validation images and a test image, which has no mask."""
    for number in range(2):
        write_plane(root / f'labels_masks/validation000{number}_labels_semantic.png', MASK)
        write_plane(root / f'labels_masks/validation000{number}_labels_semantic_color.png', MASK)
    write_image(root / 'images/airplane0000.jpg')
    return [write_image(root / f'images/validation000{number}.jpg') for number in range(2)]


def write_fishyscapes(root):
    """Write one image of each half of Lost and Found, and one that is not in the set."""
    names = ['04_Maurener_Weg_8_000000_000030', '01_Hanns_Klemm_Str_45_000000_000200']
    for number, name in enumerate(names):
        write_plane(root / f'fishyscapes_lostandfound/{number:04d}_{name}_labels.png', MASK)
    images = root / 'leftImg8bit'
    write_image(images / 'test/04_Maurener_Weg_8/04_Maurener_Weg_8_000000_000040_leftImg8bit.png')
    return [write_image(images / f'{half}/{name[:-14]}/{name}_leftImg8bit.png', seed)
            for seed, (half, name) in enumerate(zip(('test', 'train'), names, strict=True))]


WRITERS = {
    'anomaly_folder': write_anomaly_folder,
    'segment_me_if_you_can': write_track,
    'fishyscapes_lost_and_found': write_fishyscapes,
}


def test_every_set_has_a_writer():
    assert set(WRITERS) == set(ANOMALY_SETS)


@pytest.mark.parametrize('name', WRITERS)
class TestAnomalySet:
    def test_images_come_with_what_is_foreign_and_what_counts(self, name, tmp_path):
        paths = WRITERS[name](tmp_path)
        images = build_anomaly_set(name, tmp_path)
        assert len(images) == len(paths)
        for index, path in enumerate(paths):
            sample = images[index]
            assert sample.name == path.relative_to(tmp_path).with_suffix('').as_posix()
            np.testing.assert_array_equal(sample.foreign, MASK == 1)
            np.testing.assert_array_equal(sample.valid, MASK < 2)
        with pytest.raises(IndexError):
            images[len(paths)]

    def test_a_missing_image_is_named(self, name, tmp_path):
        path = WRITERS[name](tmp_path)[0]
        path.rename(path.with_name(f'other{path.suffix}'))
        with pytest.raises(DatasetError, match=r'must be there, in a layout of|must be a folder'):
            build_anomaly_set(name, tmp_path)

    def test_a_folder_of_something_else_tells_the_layout(self, name, tmp_path):
        with pytest.raises(DatasetError, match=r'must be a folder with .*NAME.*, got nothing'):
            build_anomaly_set(name, tmp_path)


def test_a_test_image_without_a_mask_is_left_out(tmp_path):
    write_track(tmp_path)
    images = SegmentMeIfYouCan(tmp_path)
    assert {images[index].name for index in range(len(images))} == {
        'images/validation0000', 'images/validation0001'}


def test_an_image_without_a_mask_is_refused_in_a_plain_folder(tmp_path):
    write_anomaly_folder(tmp_path)
    (tmp_path / 'masks/1.png').unlink()
    with pytest.raises(DatasetError, match=r'masks/1\.png must be there, in a layout of '
                       r'images/NAME\.\* and masks/NAME\.png with 0 for known'):
        AnomalyFolder(tmp_path)


def test_a_mask_with_other_values_is_refused(tmp_path):
    write_anomaly_folder(tmp_path)
    write_plane(tmp_path / 'masks/0.png', cycle([0, 2, 255]))
    with pytest.raises(DatasetError, match=r'0\.png must be 0 for known, 1 for foreign, 255 for '
                       r'ignored, got the values \[2\]: check'):
        AnomalyFolder(tmp_path)[0]


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(DatasetError, match=r'mask of x must be \(2, 3\) as its image, got '
                       r'\(3, 2\): check that image and mask belong together'):
        AnomalyImage('x', np.zeros((2, 3, 3), np.uint8), np.zeros((3, 2), np.bool_),
                     np.zeros((3, 2), np.bool_))


def test_an_unknown_set_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(DatasetError, match=r'anomaly set must be one of anomaly_folder, .*, got '
                       'moon: ask'):
        build_anomaly_set('moon', tmp_path)


@pytest.mark.parametrize(('folder', 'count'), [
    ('road_anomaly21', 10), ('fs_lost_and_found', 6), ('road_obstacle21', 4)])
def test_the_real_sets_are_read(real_data, folder, count):
    images = AnomalyFolder(real_data / 'ood' / folder)
    assert len(images) == count
    first = images[0]
    assert 0 < first.foreign.sum() < first.valid.sum() < first.valid.size
