# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from data.fixtures.foreign import write_synthetic_images
from data.fixtures.written import cycle, write_plane
import numpy as np
import pytest

from ldn_perception.data.synthetic_sets import SyntheticImages
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import SYNTHETIC_DRIVE, UNIVERSAL
from ldn_perception.taxonomy.driving import SYNTHETIC_DRIVE_TO_UNIVERSAL

OBJECT = 19


def test_foreign_objects_are_a_class_and_the_rest_stays_what_it_is(tmp_path):
    write_synthetic_images(tmp_path)
    labels = SyntheticImages(tmp_path, 'all')[0].labels
    expected = cycle([*range(19), 255])
    expected[4:6, 5:9] = OBJECT
    np.testing.assert_array_equal(labels, expected)
    assert SYNTHETIC_DRIVE.class_names[OBJECT] == 'foreign object'


def test_a_metre_is_disparity_by_baseline_and_unknown_where_that_is(tmp_path):
    write_synthetic_images(tmp_path)
    scale = SyntheticImages(tmp_path, 'all')[1].pixels_per_metre
    assert scale.dtype == np.float32
    # steps of 0, 256 and 2560 are an unknown disparity, 1 px and 10 px, on a baseline of 0.5 m
    np.testing.assert_allclose(scale, cycle([np.nan, 2.0, 20.0], np.float32))


def test_whole_drives_are_held_out(tmp_path):
    for drive in 'abcde':
        write_synthetic_images(tmp_path / drive)
    val, train = SyntheticImages(tmp_path, 'val'), SyntheticImages(tmp_path, 'train')
    assert [val[index].name for index in range(len(val))] == ['e/left/000000', 'e/left/000001']
    assert len(train) == 8
    assert len(SyntheticImages(tmp_path, 'all')) == 10


def test_a_foreign_object_stands_for_any_thing_and_no_scenery():
    names = np.array(UNIVERSAL.class_names)[SYNTHETIC_DRIVE_TO_UNIVERSAL.table[OBJECT]]
    assert set(names) == {'animal', 'furniture', 'household object', 'food', 'accessory',
                          'aircraft or boat'}


@pytest.mark.parametrize(('content', 'text'), [
    ('{"fx": 3}', r"calib\.json must be JSON with baseline_m \[m\], got KeyError\('baseline_m'\)"),
    ('{"baseline_m": -0.5}', r'baseline_m in .*calib\.json must be > 0 \[m\], got -0\.5: write'),
])
def test_a_calibration_that_says_nothing_is_refused(tmp_path, content, text):
    write_synthetic_images(tmp_path)
    (tmp_path / 'calib.json').write_text(content)
    with pytest.raises(DatasetError, match=text):
        SyntheticImages(tmp_path, 'all')


def test_a_missing_disparity_is_named(tmp_path):
    write_synthetic_images(tmp_path)
    (tmp_path / 'disparity/000001.png').unlink()
    with pytest.raises(DatasetError, match=r'disparity/000001\.png must be there, in a layout of '
                       r'\[DRIVE/\]calib\.json and'):
        SyntheticImages(tmp_path, 'all')


def test_a_mask_of_another_size_is_refused(tmp_path):
    write_synthetic_images(tmp_path)
    write_plane(tmp_path / 'foreign/000000.png', np.zeros((3, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'foreign objects of .*left/000000\.png must be '
                       r'\(12, 20\) as its labels, got \(3, 3\): write the drive again'):
        SyntheticImages(tmp_path, 'all')[0]


@pytest.mark.slow
def test_a_drive_comes_back_as_it_was_written(tmp_path):
    synthetic = pytest.importorskip(
        'ldn_perception.synthetic_drive', reason='the renderer is not installed',
        exc_type=ImportError)
    drive = synthetic.SyntheticDrive(seed=3, num_frames=2, width=64, height=32)
    synthetic.write_images(drive, tmp_path)
    dataset, samples = SyntheticImages(tmp_path, 'all'), list(drive)
    assert json.loads((tmp_path / 'calib.json').read_text())['width'] == 64
    for index, sample in enumerate(samples):
        read = dataset[index]
        np.testing.assert_array_equal(read.image, sample.frame.left)
        np.testing.assert_array_equal(
            read.labels, np.where(sample.foreign, OBJECT, sample.labels))
        metre = sample.disparity / drive.geometry.baseline
        known = sample.disparity > 1 / 256
        np.testing.assert_allclose(
            read.pixels_per_metre[known], metre[known], atol=1 / 256 / drive.geometry.baseline)
        assert np.isnan(read.pixels_per_metre[np.isnan(sample.disparity)]).all()
