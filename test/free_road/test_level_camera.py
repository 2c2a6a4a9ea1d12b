# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ldn_perception.errors import FrameError
from ldn_perception.free_road import LevelCamera

OPTICAL = Rotation.from_euler('xyz', [-90, 0, -90], degrees=True)
"""Of an optical frame in that of its vehicle, as REP 103 and URDF have it."""


def level_from_optical(yaw_deg, pitch_deg, roll_deg):
    return Rotation.from_euler('ZYX', [yaw_deg, pitch_deg, roll_deg], degrees=True) * OPTICAL


def test_axes_of_a_level_camera():
    rotation = LevelCamera(1.5).rotation
    np.testing.assert_allclose(rotation @ (0, 0, 1), (1, 0, 0), atol=1e-12)  # forward
    np.testing.assert_allclose(rotation @ (-1, 0, 0), (0, 1, 0), atol=1e-12)  # left
    np.testing.assert_allclose(rotation @ (0, -1, 0), (0, 0, 1), atol=1e-12)  # up


def test_pitch_is_down_and_roll_is_to_the_right():
    down = LevelCamera(1.5, pitch_rad=0.1).rotation @ (0, 0, 1)
    np.testing.assert_allclose(down, (math.cos(0.1), 0, -math.sin(0.1)), atol=1e-12)
    right_side = LevelCamera(1.5, roll_rad=0.1).rotation @ (1, 0, 0)
    assert right_side[2] == pytest.approx(-math.sin(0.1))


@pytest.mark.parametrize(('yaw', 'pitch', 'roll'), [
    (0, 0, 0), (30, 12, -5), (-170, -20, 8), (90, 60, 40)])
def test_a_transform_is_taken_apart_and_put_together_again(yaw, pitch, roll):
    rotation = level_from_optical(yaw, pitch, roll)
    camera = LevelCamera.from_transform((1.7, -0.3, 1.65), tuple(3 * rotation.as_quat()))
    assert (camera.x_m, camera.y_m, camera.height_m) == (1.7, -0.3, 1.65)
    angles = (camera.yaw_rad, camera.pitch_rad, camera.roll_rad)
    np.testing.assert_allclose(np.degrees(angles), (yaw, pitch, roll), atol=1e-9)
    heading = Rotation.from_euler('z', yaw, degrees=True)
    np.testing.assert_allclose(
        camera.rotation, (heading.inv() * rotation).as_matrix(), atol=1e-12)


def test_the_broadcast_transform_leads_from_the_heading_frame_to_the_camera():
    camera = LevelCamera(1.65, 0.2, -0.1)
    translation, quaternion = camera.transform
    optical_from_heading = Rotation.from_quat(quaternion)
    np.testing.assert_allclose(
        optical_from_heading.as_matrix(), camera.rotation.T, atol=1e-12)
    # the camera itself: 1.65 m above the origin of the heading frame
    np.testing.assert_allclose(
        optical_from_heading.apply((0, 0, 1.65)) + translation, (0, 0, 0), atol=1e-12)


@pytest.mark.parametrize(('height', 'pitch', 'text'), [
    (0.0, 0.0, r'height of the camera above the level frame must be > 0 m, got 0.0: name a'),
    (float('nan'), 0.0, r'must be > 0 m, got nan'),
    (1.5, 1.55, r'pitch of the camera must be within 85 deg, got 88.8085 deg: name the optical'),
])
def test_a_camera_that_cannot_see_the_ground_ahead_is_refused(height, pitch, text):
    with pytest.raises(FrameError, match=text):
        LevelCamera(height, pitch)
