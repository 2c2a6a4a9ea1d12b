# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files as `StereoCamera.from_file` reads them."""

import json

import numpy as np
import pytest
from stereo_frames import geometry
import yaml

from ldn_perception import StereoCamera
from ldn_perception.data.message_fields import camera_info_fields
from ldn_perception.errors import BagError, CalibrationError, FrameError, MessageError

RIG = geometry(cx_right=70.0)


def plain(value):
    """Fields of a message as `ros2 topic echo` prints them."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def echoed(side):
    return plain(camera_info_fields(RIG, side))


def calibrated(side, **changes):
    """As camera_calibration writes it."""
    fields = echoed(side)
    names = {'k': 'camera_matrix', 'd': 'distortion_coefficients', 'r': 'rectification_matrix',
             'p': 'projection_matrix'}
    return {
        'image_width': fields['width'], 'image_height': fields['height'],
        'camera_name': side, 'distortion_model': 'plumb_bob',
        **{long: {'rows': 1, 'cols': len(fields[short]), 'data': fields[short]}
           for short, long in names.items()}, **changes}


def write(path, *documents):
    path.write_text(yaml.safe_dump_all(documents, explicit_end=False))
    return path


def test_kitti_text_has_the_camera_that_is_asked_for(tmp_path):
    rows = {0: (700.0, 0.0), 1: (700.0, -350.0), 2: (720.0, 36.0), 3: (720.0, -324.0)}
    path = tmp_path / 'calib.txt'
    path.write_text(''.join(
        f'P{number}: {fx} 0 600 {shift} 0 {fx} 170 0 0 0 1 0\n'
        for number, (fx, shift) in rows.items()))
    color, grey = StereoCamera.from_file(path), StereoCamera.from_file(path, left_camera=0)
    assert (color.fx, color.baseline_m, color.size) == (720, 0.5, None)
    assert (grey.fx, grey.baseline_m) == (700, 0.5)
    assert color.geometry(1242, 375).shape == (375, 1242)


def test_json_of_ours(tmp_path):
    path = tmp_path / 'calib.json'
    path.write_text(json.dumps(
        {'fx': 90, 'fy': 91, 'cx': 77, 'cy': 50, 'baseline_m': 0.5, 'cx_right': 70}))
    assert StereoCamera.from_file(path).geometry(160, 96) == RIG


@pytest.mark.parametrize('make', [echoed, calibrated])
def test_camera_info_in_every_arrangement(tmp_path, make):
    left, right = make('left'), make('right')
    one = write(tmp_path / 'left.yaml', left, None)  # ros2 topic echo ends with a separator
    two = write(tmp_path / 'right.yml', right)
    expected = StereoCamera.from_file(one, two)
    assert expected.geometry(160, 96) == RIG
    assert expected.size == (160, 96)
    for both in (write(tmp_path / 'a.yaml', left, right),
                 write(tmp_path / 'b.yaml', {'left': left, 'right': right})):
        assert StereoCamera.from_file(both) == expected


def test_raw_images_are_rectified_by_camera_info(tmp_path):
    bent = [0.2, 0.0, 0.0, 0.0, 0.0]
    camera = StereoCamera.from_file(write(
        tmp_path / 'both.yaml', calibrated('left', distortion_coefficients={'data': bent}),
        calibrated('right')))
    image = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    left, right = camera.rectify(image, image)
    assert left.shape == image.shape
    assert not np.array_equal(left, image)
    assert right is image
    with pytest.raises(CalibrationError, match=r'^raw left image must be \(96, 160\)'):
        camera.rectify(image[:90], image[:90])
    with pytest.raises(CalibrationError, match=r'^camera for raw images must be read from camera'):
        StereoCamera(90, 91, 77, 50, 0.5).rectify(image, image)


def test_a_camera_made_by_hand_fits_any_size_and_checks_its_values():
    camera = StereoCamera(fx=90, fy=91, cx=77, cy=50, baseline_m=0.5)
    assert camera.geometry(10, 20).cx_right == 77
    with pytest.raises(FrameError, match=r'^camera geometry baseline must be > 0, got -0.5'):
        StereoCamera(fx=90, fy=91, cx=77, cy=50, baseline_m=-0.5)
    with pytest.raises(FrameError, match=r'^images of the camera must be 160x96 as calibrated'):
        StereoCamera.from_geometry(RIG).geometry(160, 97)


@pytest.mark.parametrize(('name', 'text', 'message'), [
    ('calib.txt', None, r'^calibration .*calib\.txt must be an existing file, got nothing'),
    ('calib.txt', 'P0: 1 2', r'^calibration .*calib\.txt must be calib\.json with fx'),
    ('calib.json', '{"fx": 90}', r"must be calib\.json with fx, .* got no 'fy'"),
    ('left.yaml', None, r'left\.yaml must be a readable YAML file, got .*No such file'),
    ('left.yaml', '{', r'left\.yaml must be a readable YAML file, got .*flow node'),
    ('left.yaml', 'image_width: 3', r'must be camera_info of two cameras, got one camera: give'),
    ('left.yaml', 'left: {image_width: 3}\nright: {}',
     r"must be camera_info as YAML: image_width, .* got no 'image_height': correct the file"),
    ('left.yaml', 'a\n---\nb', r'must be camera_info as YAML: .* got '),
])
def test_files_that_are_no_calibration_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(BagError, match=message):
        StereoCamera.from_file(path)


def test_two_files_must_be_those_of_a_rig(tmp_path):
    left, right = (write(tmp_path / f'{side}.yaml', echoed(side)) for side in ('left', 'right'))
    with pytest.raises(MessageError, match='swap the left and right'):
        StereoCamera.from_file(right, left)
    with pytest.raises(BagError, match='must be camera_info of one camera, got 2 documents'):
        StereoCamera.from_file(write(tmp_path / 'both.yaml', echoed('left'), echoed('right')),
                               right)
    (tmp_path / 'calib.txt').write_text('')
    with pytest.raises(BagError, match='calibration of the right camera must be left out beside'):
        StereoCamera.from_file(tmp_path / 'calib.txt', right)
    with pytest.raises(BagError, match=r'got 3 values of rectification_matrix'):
        StereoCamera.from_file(left, write(
            tmp_path / 'short.yaml', {**echoed('right'), 'r': [1.0, 0.0, 0.0]}))
