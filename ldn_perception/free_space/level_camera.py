# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How a camera stands above level ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import FrameError

_VEHICLE_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_STEEPEST_RAD = math.radians(85)

Quaternion = tuple[float, float, float, float]
"""x, y, z, w, as messages have it."""


@dataclass(frozen=True, slots=True)
class LevelCamera:
    """Left camera in a level frame: z up, 0 on the ground.

    The heading frame is the level frame moved under the camera and turned to where it looks: x
    forward along the ground, y left, z up (REP 103), its origin on the ground below the camera.

    Attributes:
        height_m: Height of the camera above the ground, > 0.
        pitch_rad: How far it looks down.
        roll_rad: How far it leans to the right.
        x_m: Where it stands in the level frame.
        y_m: Where it stands in the level frame.
        yaw_rad: Where it looks in the level frame; 0 is along x, to the left is positive.

    Raises:
        FrameError: The camera is not above the ground, or looks straight up or down.
    """

    height_m: float
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0

    def __post_init__(self) -> None:
        if not self.height_m > 0:
            raise FrameError(
                'height of the camera above the level frame', must_be='> 0 m', got=self.height_m,
                do='name a frame whose origin is on the ground, with z up')
        if abs(self.pitch_rad) > _STEEPEST_RAD:
            raise FrameError(
                'pitch of the camera', must_be=f'within {math.degrees(_STEEPEST_RAD):g} deg',
                got=f'{math.degrees(self.pitch_rad):g} deg',
                do='name the optical frame of a camera that looks along the ground')

    @classmethod
    def from_transform(cls, translation_m: Sequence[float], rotation: Quaternion) -> LevelCamera:
        """Take a transform apart that brings points of the optical frame into the level frame.

        Args:
            translation_m: x, y, z of the camera in the level frame.
            rotation: Level frame from optical frame (z forward, x right, y down).

        Raises:
            FrameError: See the class.
        """
        matrix = _rotation_matrix(rotation)
        right, down, forward = matrix.T
        return cls(
            height_m=float(translation_m[2]),
            pitch_rad=math.asin(max(-1.0, min(1.0, -forward[2]))),
            roll_rad=math.atan2(-right[2], -down[2]),
            x_m=float(translation_m[0]),
            y_m=float(translation_m[1]),
            yaw_rad=math.atan2(forward[1], forward[0]),
        )

    @property
    def rotation(self) -> NDArray[np.float64]:
        """Rotation (3, 3) float64 that turns optical axes into those of the heading frame."""
        return _rotation_matrix(self._heading_from_vehicle) @ _VEHICLE_FROM_OPTICAL

    @property
    def transform(self) -> tuple[tuple[float, float, float], Quaternion]:
        """Translation [m] and rotation of the heading frame as seen from the optical frame."""
        x, y, z = self.rotation.T @ (0.0, 0.0, -self.height_m)
        qx, qy, qz, qw = _product(self._heading_from_vehicle, (-0.5, 0.5, -0.5, 0.5))
        return (float(x), float(y), float(z)), (-qx, -qy, -qz, qw)

    @property
    def _heading_from_vehicle(self) -> Quaternion:
        pitch, roll = self.pitch_rad / 2, self.roll_rad / 2
        return _product(
            (0.0, math.sin(pitch), 0.0, math.cos(pitch)),
            (math.sin(roll), 0.0, 0.0, math.cos(roll)))


def _product(first: Quaternion, second: Quaternion) -> Quaternion:
    ax, ay, az, aw = first
    bx, by, bz, bw = second
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotation_matrix(quaternion: Quaternion) -> NDArray[np.float64]:
    x, y, z, w = (value / math.hypot(*quaternion) for value in quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])
