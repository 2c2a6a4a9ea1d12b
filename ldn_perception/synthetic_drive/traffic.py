# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Moving objects on the street, and the camera path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.synthetic_drive import road_users
from ldn_perception.synthetic_drive.foreign import build_foreign_object
from ldn_perception.synthetic_drive.road_users import build_person
from ldn_perception.synthetic_drive.shapes import Surface
from ldn_perception.synthetic_drive.street import KERB_M, LANE_WIDTH_M, ROAD_HALF_WIDTH_M, Street

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOOP_M, _BEHIND_M, _FAR_M = 220.0, 40.0, 110.0
_NUM_STRIDES = 8


@dataclass(frozen=True, slots=True)
class Mover:
    """Road user that keeps its lane and re-enters once it is out of sight.

    Attributes:
        strides: Surfaces at equal steps of the gait; a single one without gait.
        start_m: Position along the street at time 0.
        speed_m_per_s: Speed along the street; negative towards the camera.
        across_m: Distance from the centre line, left positive.
        height_m: Height of the ground.
        stride_m: Distance of one period of the gait.
        loop_m: Distance after which it re-enters; infinite for never.
    """

    strides: tuple[Surface, ...]
    start_m: float
    speed_m_per_s: float
    across_m: float
    height_m: float = 0.0
    stride_m: float = 1.5
    loop_m: float = _LOOP_M

    def placed(self, street: Street, time_s: float, camera_m: float, origin_m: float) -> Surface:
        """Surface at a time; empty if far away.

        Args:
            street: Street of the traffic.
            time_s: Time since the start of the drive.
            camera_m: Position of the camera along the street.
            origin_m: Position along the street of x = 0 in the result.
        """
        travelled = self.speed_m_per_s * time_s
        ahead = (self.start_m + travelled - camera_m + _BEHIND_M) % self.loop_m - _BEHIND_M
        if ahead > _FAR_M:
            return Surface.concatenate([])
        stride = int(abs(travelled) / self.stride_m * len(self.strides)) % len(self.strides)
        yaw = 0.0 if self.speed_m_per_s >= 0 else np.pi
        return street.placed(
            self.strides[stride], camera_m + ahead, self.across_m, self.height_m, yaw, origin_m
        )


class Traffic:
    """All movers of a drive.

    Args:
        seed: Random seed; equal seeds give equal traffic.
        street: Street of the traffic.
        speed_m_per_s: Speed of the camera and of a car ahead of it.
        length_m: Length of the camera path.
        foreign_objects: True if a foreign object may block the camera's lane at the end.
    """

    def __init__(
        self, seed: int, street: Street, speed_m_per_s: float, length_m: float,
        foreign_objects: bool = True,
    ) -> None:
        rng = np.random.default_rng([seed, 7])
        self._street = street
        self._movers = [*_oncoming(rng), *_cyclists(rng, speed_m_per_s), *_walkers(rng, street)]
        lane = -LANE_WIDTH_M / 2
        if rng.random() < 0.5:
            ahead = rng.uniform(14, 32)
            self._movers.append(Mover((_vehicle(rng),), ahead, speed_m_per_s, lane))
        elif foreign_objects:
            obstacle = build_foreign_object(rng)
            place = length_m + rng.uniform(9, 14)
            self._movers.append(Mover((obstacle,), place, 0.0, lane, loop_m=np.inf))

    def at(self, time_s: float, camera_m: float, origin_m: float) -> Surface:
        """All moving surfaces at a time [s], for given positions of camera and x = 0 [m]."""
        return Surface.concatenate(
            mover.placed(self._street, time_s, camera_m, origin_m) for mover in self._movers
        )


def _vehicle(rng: np.random.Generator) -> Surface:
    draw = rng.random()
    if draw < 0.68:
        return road_users.build_car(rng)
    return road_users.build_truck(rng) if draw < 0.85 else road_users.build_bus(rng)


def _oncoming(rng: np.random.Generator) -> list[Mover]:
    speed = -rng.uniform(6, 11)
    places = np.cumsum(rng.uniform(22, 60, rng.integers(2, 5)))
    return [Mover((_vehicle(rng),), place, speed, LANE_WIDTH_M / 2 + 0.15) for place in places]


def _cyclists(rng: np.random.Generator, camera_speed: float) -> list[Mover]:
    """Cyclists: one ahead at the edge of the lane, one oncoming."""
    movers = []
    for sign in (1, -1):
        state = rng.integers(2**32)
        turns = np.linspace(0, 2 * np.pi, _NUM_STRIDES, endpoint=False)
        strides = tuple(
            road_users.build_cyclist(np.random.default_rng(state), -turn) for turn in turns
        )
        speed = sign * (0.75 * camera_speed + rng.uniform(0.0, 1.0))
        across = -sign * (LANE_WIDTH_M - 0.25)
        movers.append(Mover(strides, rng.uniform(12, 60), speed, across, stride_m=4.5))
    return movers


def _walkers(rng: np.random.Generator, street: Street) -> list[Mover]:
    movers = []
    for _ in range(rng.integers(8, 15)):
        state = rng.integers(2**32)
        phases = np.linspace(0, 2 * np.pi, _NUM_STRIDES, endpoint=False)
        strides = tuple(build_person(np.random.default_rng(state), phase) for phase in phases)
        across = ROAD_HALF_WIDTH_M + rng.uniform(0.9, street.sidewalk_m - 0.4)
        across *= rng.choice([-1, 1])
        speed = rng.choice([-1, 1]) * rng.uniform(0.9, 1.6)
        place = rng.uniform(0, 120)
        movers.append(Mover(strides, place, speed, across, height_m=KERB_M))
    return movers


CAMERA_HEIGHT_M = 1.6
"""Height of the cameras above the road at rest."""

_VEHICLE_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class CameraPath:
    """Camera path along the right lane, with the sway of a sprung vehicle.

    Args:
        seed: Random seed; equal seeds give equal paths.
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
        """Position of the left camera along the street [m]."""
        return self._speed_m_per_s * time_s

    def pose(self, time_s: float) -> NDArray[np.float64]:
        """World from left optical frame, (4, 4) float64 [m]; world: x along, y left, z up."""
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
    """Rotation, world from vehicle axes; yaw left, pitch down, roll right positive [rad]."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    rotation: NDArray[np.float64] = about_z @ about_y @ about_x
    return rotation
