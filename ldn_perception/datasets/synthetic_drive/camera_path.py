# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the camera moves along the street."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.datasets.synthetic_drive.road_paint import LANE_WIDTH_M
from ldn_perception.datasets.synthetic_drive.street import Street

if TYPE_CHECKING:
    from numpy.typing import NDArray

CAMERA_HEIGHT_M = 1.6
"""Height of the cameras above the road at rest."""

_VEHICLE_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class CameraPath:
    """Drive along the right lane with the sway of a vehicle on its springs.

    Args:
        seed: Two paths of the same seed are equal.
        street: Street to follow.
        speed_m_per_s: Speed along x.
    """

    def __init__(self, seed: int, street: Street, speed_m_per_s: float) -> None:
        self._street = street
        self._speed_m_per_s = speed_m_per_s
        rng = np.random.default_rng([seed, 8])
        self._phases = rng.uniform(0, 2 * np.pi, 5)
        self._rates = rng.uniform(0.7, 1.3, 5) * (0.6, 0.8, 3.1, 1.7, 3.7)
        self._amplitudes = rng.uniform(0.5, 1.5, 5) * (0.2, 0.012, 0.004, 0.004, 0.008)

    def position_m(self, time_s: float) -> float:
        """Where along the street the left camera is [m]."""
        return self._speed_m_per_s * time_s

    def pose(self, time_s: float) -> NDArray[np.float64]:
        """Pose (4, 4) float64 world from left optical frame; world: x along, y left, z up [m]."""
        x = self.position_m(time_s)
        aside, yaw, pitch, roll, bounce = self._amplitudes * np.sin(
            self._rates * time_s + self._phases
        )
        y = float(self._street.center(x)) - LANE_WIDTH_M / 2 + 0.27 + aside
        pose = np.eye(4)
        pose[:3, :3] = _rotation(self._street.heading(x) + yaw, pitch, roll)
        pose[:3, :3] @= _VEHICLE_FROM_OPTICAL
        pose[:3, 3] = x, y, CAMERA_HEIGHT_M + bounce
        return pose


def _rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """World from vehicle axes; yaw left, pitch down, roll right positive [rad]."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x
