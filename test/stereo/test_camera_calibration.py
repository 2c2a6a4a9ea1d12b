# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from raw_rig import LENSES, info
from stereo_frames import namespace

from ldn_perception.data.messages import calibration_from_message
from ldn_perception.errors import CalibrationError

MIRROR = np.diag([1.0, 1.0, -1.0]).reshape(-1)


@pytest.mark.parametrize(('model', 'changes', 'text'), [
    ('plumb_bob', {'distortion_model': 'thin_prism_fisheye'},
     r'distortion_model of the right camera_info must be one of plumb_bob, rational_polynomial, '
     r"equidistant, got 'thin_prism_fisheye': calibrate the camera with one of them, or rectify "
     r'its images before this node and set input.rectify to false'),
    ('plumb_bob', {'d': np.zeros(8)},
     r'D of the right camera_info must be 4 or 5 coefficients of plumb_bob, got 8: correct'),
    ('rational_polynomial', {'d': np.zeros(5)},
     r'must be 8 or 12 or 14 coefficients of rational_polynomial, got 5: correct'),
    ('equidistant', {'d': np.zeros(5)}, r'must be 4 coefficients of equidistant, got 5: correct'),
    ('plumb_bob', {'d': np.array([0, math.nan, 0, 0, 0])},
     r'D of the right camera_info must be finite, got NaN or infinity: calibrate the camera'),
    ('plumb_bob', {'r': np.full(9, math.inf)}, r'R of the right camera_info must be finite'),
    ('plumb_bob', {'r': np.zeros(9)},
     r'R of the right camera_info must be a rotation, got \(0, 0, 0, 0, 0, 0, 0, 0, 0\): '
     r'calibrate the cameras as a stereo pair; the identity turns nothing'),
    ('plumb_bob', {'r': MIRROR}, r'must be a rotation, got \(1, 0, 0, 0, 1, 0, 0, 0, -1\)'),
    ('plumb_bob', {'r': 1.01 * np.eye(3).reshape(-1)}, r'must be a rotation, got \(1.01, 0'),
    ('plumb_bob', {'k': np.array([200.0, 0, 160, 0, -1, 100, 0, 0, 1])},
     r'focal lengths in K of the right camera_info must be > 0, got 200 and -1: calibrate the'),
])
def test_what_cannot_rectify_is_refused_with_its_reason(model, changes, text):
    camera_info = namespace({**vars(info('right', model)), **changes})
    with pytest.raises(CalibrationError, match=text) as caught:
        calibration_from_message(camera_info, 'right')
    assert caught.value.reason == 'bad_camera_info'


@pytest.mark.parametrize('model', LENSES)
def test_equal_messages_give_equal_calibrations(model):
    first = calibration_from_message(info('left', model), 'left')
    assert first == calibration_from_message(info('left', model), 'left')
    assert first != calibration_from_message(info('right', model), 'right')


def test_a_camera_without_coefficients_needs_no_model():
    known = calibration_from_message(info('left', '', distortion=()), 'left')
    assert known.distortion == ()


def test_region_of_interest_and_binning_apply_to_both_cameras_but_not_to_the_lens():
    camera_info = info('left', 'plumb_bob')
    region = {'x_offset': 40, 'y_offset': 20, 'width': 200, 'height': 120, 'do_rectify': False}
    camera_info.roi = namespace(region)
    camera_info.binning_x, camera_info.binning_y = 2, 4
    known = calibration_from_message(camera_info, 'left')
    assert (known.width, known.height) == (100, 30)
    assert known.raw == (205 / 2, 207 / 4, (158 - 40) / 2, (101 - 20) / 4)
    assert known.rectified == (180 / 2, 182 / 4, (161 - 40) / 2, (99 - 20) / 4)
    assert known.distortion == LENSES['plumb_bob']
