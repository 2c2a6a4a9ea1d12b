# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Extrinsics: what tf gets, and what is refused."""

import math
import re

import numpy as np
import pytest

from ldn_perception.errors import RigError
from ldn_perception.ros.rigs import StaticTransform, read_transforms


def rotation(transform: StaticTransform) -> np.ndarray:
    """Columns are the axes of the child in the parent, as tf composes roll, pitch and yaw."""
    def about(axis: int, angle: float) -> np.ndarray:
        matrix = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
        return matrix

    return about(2, transform.yaw) @ about(1, transform.pitch) @ about(0, transform.roll)


def test_all_numbers_reach_the_publisher() -> None:
    (transform,) = read_transforms(
        {'parent': 'base', 'child': 'cam', 'x': 1, 'y': -0.5, 'z': 1.25, 'roll': 0.1,
         'pitch': -0.2, 'yaw': 3}, 'it')
    assert transform.arguments() == [
        '--x', '1.0', '--y', '-0.5', '--z', '1.25', '--roll', '0.1', '--pitch', '-0.2', '--yaw',
        '3.0', '--frame-id', 'base', '--child-frame-id', 'cam']


def test_no_extrinsics_and_those_left_out() -> None:
    assert read_transforms(None, 'it') == ()
    assert read_transforms({'parent': 'a', 'child': 'b'}, 'it') == (StaticTransform('a', 'b'),)


def test_optical_frame_looks_ahead() -> None:
    camera, optical = read_transforms(
        {'parent': 'base', 'child': 'cam', 'yaw': 1.0, 'optical_frame': 'eye'}, 'it')
    assert camera == StaticTransform('base', 'cam', yaw=1.0)
    assert (optical.parent, optical.child) == ('cam', 'eye')
    right, down, ahead = rotation(optical).T
    np.testing.assert_allclose(ahead, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(right, [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(down, [0, 0, -1], atol=1e-12)


@pytest.mark.parametrize(('changes', 'sentence'), [
    ({'x': float('nan')}, 'x of extrinsics of it must be a finite number, got nan: measure it'),
    ({'z': float('inf')}, 'z of extrinsics of it must be a finite number, got inf: measure it'),
    ({'y': '1'}, "y of extrinsics of it must be a finite number, got '1': measure it again"),
    ({'y': True}, 'y of extrinsics of it must be a finite number, got True: measure it again'),
    ({'yaw': 180}, 'yaw of extrinsics of it must be an angle in radians, within one turn, got '
     '180.0: divide degrees by 57.3'),
    ({'parent': ''}, "parent of extrinsics of it must be the name of a frame, got '': name it"),
    ({'child': '/cam'}, "child of extrinsics of it must be the name of a frame, got '/cam': "),
    ({'optical_frame': ''}, 'optical_frame of extrinsics of it must be the name of a frame, got'),
    ({'rol': 0}, 'key of extrinsics of it must be one of parent, child, x, y, z, roll, pitch, '),
])
def test_wrong_extrinsics(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(RigError, match=re.escape(sentence)):
        read_transforms({'parent': 'base', 'child': 'cam', **changes}, 'it')
