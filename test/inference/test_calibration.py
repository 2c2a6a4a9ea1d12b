# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import re

import cv2
import numpy as np
import pytest

from ldn_perception.errors import InferenceError
from ldn_perception.inference.calibration import (
    FEWEST_IMAGES,
    MOST_IMAGES,
    CalibrationImages,
    calibration_for,
)
from ldn_perception.inference.deployed_network import ImageSize

SIZE = ImageSize(40, 20)


def fill(folder, count, suffix='.png'):
    """Flat images, the n-th with a red of n."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        image = np.full((30, 50, 3), (90, 60, number), np.uint8)  # OpenCV has blue first
        assert cv2.imwrite(str(folder / f'{number:03}{suffix}'), image)
    return folder


def reds(images):
    return [int(image[0, 0, 0, 0]) for image in images.read(SIZE)]


def test_every_image_of_a_small_folder_is_read_at_the_size_of_the_network(tmp_path):
    images = CalibrationImages(fill(tmp_path, FEWEST_IMAGES))
    assert len(images) == FEWEST_IMAGES
    for number, image in enumerate(images.read(SIZE)):
        assert (image.shape, image.dtype) == ((1, 20, 40, 3), np.uint8)
        assert (image == (number, 60, 90)).all()


def test_of_many_images_some_are_taken_from_the_first_to_the_last(tmp_path):
    images = CalibrationImages(fill(tmp_path, 2 * MOST_IMAGES + 1))
    found = reds(images)
    assert len(images) == len(found) == MOST_IMAGES
    assert (found[0], found[-1]) == (0, 2 * MOST_IMAGES)
    assert set(np.diff(found)) <= {2, 3}


def test_the_digest_is_that_of_what_the_images_hold(tmp_path):
    one = CalibrationImages(fill(tmp_path / 'one', 9)).digest
    assert re.fullmatch('[0-9a-f]{16}', one)
    assert CalibrationImages(fill(tmp_path / 'same', 9)).digest == one
    assert CalibrationImages(fill(tmp_path / 'more', 10)).digest != one
    changed = fill(tmp_path / 'changed', 9)
    cv2.imwrite(str(changed / '004.png'), np.zeros((30, 50, 3), np.uint8))
    assert CalibrationImages(changed).digest != one


def test_only_images_count(tmp_path):
    fill(tmp_path, 4)
    fill(tmp_path, 4, '.JPG')
    (tmp_path / 'notes.txt').write_text('drive of Monday')
    assert len(CalibrationImages(tmp_path)) == 8


@pytest.mark.parametrize(('count', 'got'), [(None, 'nowhere, no folder'), (7, 'nowhere with 7')])
def test_too_few_images_are_an_error(tmp_path, count, got):
    if count is not None:
        fill(tmp_path / 'nowhere', count)
    with pytest.raises(InferenceError, match=(
            r'inference\.calibration_images must be a folder with 8 or more \.jpg, \.png or '
            rf'\.webp, got .*{got}: save images of your camera there, from different places')):
        CalibrationImages(tmp_path / 'nowhere')


def test_a_file_that_is_no_image_is_an_error(tmp_path):
    fill(tmp_path, 8)
    (tmp_path / '003.png').write_bytes(b'no image')
    images = CalibrationImages(tmp_path)
    with pytest.raises(InferenceError, match=(
            r'calibration image .*003\.png must be a readable image, got other bytes: save it '
            'again, or delete it')):
        list(images.read(SIZE))
    (tmp_path / '003.png').write_bytes(b'')
    with pytest.raises(InferenceError, match=r'003\.png must be .*, got no bytes: save it again'):
        CalibrationImages(tmp_path)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    fill(tmp_path, 8)
    (tmp_path / '003.png').unlink()
    (tmp_path / '003.png').mkdir()
    with pytest.raises(InferenceError, match=r'003\.png must be .*, got Is a directory: save'):
        CalibrationImages(tmp_path)


def test_only_int8_takes_images(tmp_path):
    for precision in ('auto', 'float32', 'bfloat16'):
        assert calibration_for(precision, str(tmp_path), uses_disparity=True) is None
    images = calibration_for('int8', str(fill(tmp_path, 8)), uses_disparity=False)
    assert images.folder == tmp_path


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    fill(tmp_path / 'drive', 8)
    assert len(calibration_for('int8', '~/drive', uses_disparity=False)) == 8


def test_int8_without_images_is_an_error():
    with pytest.raises(InferenceError, match=(
            r'inference\.calibration_images must be the folder of 8 or more images for precision '
            'int8, got nothing: save images of your camera in one and name it')):
        calibration_for('int8', '', uses_disparity=False)


def test_int8_for_a_network_with_disparity_is_an_error(tmp_path):
    with pytest.raises(InferenceError, match=(
            r'inference\.precision must be float32 or bfloat16 for a network that selects scales '
            'by disparity, got int8: choose auto')):
        calibration_for('int8', str(tmp_path), uses_disparity=True)
