# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json

from data.fixtures.driving import CAMERA, write_cityscapes
from data.fixtures.written import HEIGHT, WIDTH, cycle, write_image, write_plane
import numpy as np
import pytest
import torch

from ldn_perception.data.cityscapes import Cityscapes
from ldn_perception.errors import DatasetError
from ldn_perception.pipeline import pixels_per_metre
from ldn_perception.types import DisparityMap

NAME = 'train/aachen/aachen_000000_000019'


def write_camera(root, values=CAMERA):
    path = root / f'camera/{NAME}_camera.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(values))


def test_without_more_files_there_is_no_more(tmp_path):
    write_cityscapes(tmp_path)
    image = Cityscapes(tmp_path, 'train')[0]
    assert image.pixels_per_metre is None
    assert image.instances is None


def test_apparent_size_is_that_of_the_pipeline(tmp_path):
    write_cityscapes(tmp_path)
    write_camera(tmp_path)
    steps = cycle([0, 1, 257, 7681], np.uint16)
    write_plane(tmp_path / f'disparity/{NAME}_disparity.png', steps)
    dataset = Cityscapes(tmp_path, 'train')
    write_image(tmp_path / f'rightImg8bit/{NAME}_rightImg8bit.png')
    disparity = torch.from_numpy(np.resize(np.float32([np.nan, 0, 1, 30]), (HEIGHT, WIDTH)))
    expected = pixels_per_metre(
        DisparityMap(disparity, 0, 128), dataset.stereo_frame(0).geometry)
    np.testing.assert_array_equal(dataset[0].pixels_per_metre, expected.numpy())
    assert np.nanmax(dataset[0].pixels_per_metre) == 30 / 0.25


def test_ids_from_1000_on_are_instances(tmp_path):
    write_cityscapes(tmp_path)
    write_plane(tmp_path / f'gtFine/{NAME}_gtFine_instanceIds.png',
                cycle([7, 24, 999, 1000, 26001], np.uint16))
    np.testing.assert_array_equal(
        Cityscapes(tmp_path, 'train')[0].instances, cycle([0, 0, 0, 1000, 26001], np.int32))


def test_right_image_and_calibration_make_a_frame(tmp_path):
    write_cityscapes(tmp_path)
    write_camera(tmp_path)
    write_image(tmp_path / f'rightImg8bit/{NAME}_rightImg8bit.png', 9)
    dataset = Cityscapes(tmp_path, 'train')
    frame = dataset.stereo_frame(0)
    np.testing.assert_array_equal(frame.left, dataset[0].image)
    assert not np.array_equal(frame.left, frame.right)
    assert frame.geometry.fx == 2262.5
    assert frame.geometry.cy == 513.137
    assert frame.geometry.baseline == 0.25
    assert frame.geometry.disparity_offset == 0


def test_disparity_without_calibration_names_the_file(tmp_path):
    write_cityscapes(tmp_path)
    write_plane(tmp_path / f'disparity/{NAME}_disparity.png', cycle([0], np.uint16))
    with pytest.raises(DatasetError, match=r'019_camera\.json must be JSON with .* got no file'):
        Cityscapes(tmp_path, 'train')[0]


@pytest.mark.parametrize('values', [
    {}, {**CAMERA, 'extrinsic': {'baseline': -0.2}}, {**CAMERA, 'extrinsic': {'baseline': 'x'}}])
def test_damaged_calibration_names_the_file(tmp_path, values):
    write_cityscapes(tmp_path)
    write_camera(tmp_path, values)
    write_image(tmp_path / f'rightImg8bit/{NAME}_rightImg8bit.png')
    with pytest.raises(DatasetError, match=r'019_camera\.json must be JSON with intrinsic fx'):
        Cityscapes(tmp_path, 'train').stereo_frame(0)


def test_one_image_moves_from_val_to_train(tmp_path):
    write_cityscapes(tmp_path, 'train')
    write_cityscapes(tmp_path, 'val', names=(
        'frankfurt_000001_014406', 'frankfurt_000001_014565', 'lindau_000000_000019'))

    def names(split):
        dataset = Cityscapes(tmp_path, split)
        return {dataset[i].name.split('/')[-1].removesuffix('_leftImg8bit')
                for i in range(len(dataset))}

    assert len(names('val')) == 3
    assert names('val') - names('val_499') == {'frankfurt_000001_014565'}
    assert names('train_2976') - names('train') == {'frankfurt_000001_014565'}
    assert names('train_2976') | names('val_499') == names('trainval')


def test_unknown_annotation_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='must be one of fine, coarse, got medium'):
        Cityscapes(tmp_path, 'train', annotation='medium')
