# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Free road in the image and as a grid on the ground.

In the grid, every pixel with a known depth is evidence for the cell that contains its point.
Unseen cells and cells behind obstacles therefore stay unknown. At long range, neighbouring rows
of pixels lie metres apart on the ground; so do neighbouring columns on a wall parallel to the
direction of travel. Cells between two neighbouring pixels of the same kind (free or obstacle)
therefore count as that kind too, if the two points are close enough to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import FrameError
from ldn_perception.types import CameraGeometry, GroundGrid, Segmentation

_VEHICLE_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_STEEPEST_RAD = math.radians(85)

Quaternion = tuple[float, float, float, float]
"""Quaternion (x, y, z, w) in the order of ROS messages."""


@dataclass(frozen=True, slots=True)
class LevelCamera:
    """Pose of the left camera in a level frame: z up, z = 0 on the ground.

    The heading frame is derived from it: origin on the ground below the camera, x forward along
    the viewing direction, y left, z up (REP 103).

    Attributes:
        height_m: Height of the camera above the ground [m], > 0.
        pitch_rad: Pitch [rad], positive down.
        roll_rad: Roll [rad], positive to the right.
        x_m: Position in the level frame, x [m].
        y_m: Position in the level frame, y [m].
        yaw_rad: Heading in the level frame [rad]; 0 is along x, positive to the left.

    Raises:
        FrameError: The camera is not above the ground, or looks almost straight up or down.
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
        """Build from the transform of the optical frame into the level frame.

        Args:
            translation_m: x, y, z of the camera in the level frame [m].
            rotation: Rotation of the optical frame (z forward, x right, y down) in the level
                frame.

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
        """Rotation (3, 3) float64 from the optical frame to the heading frame."""
        rotation: NDArray[np.float64] = (
            _rotation_matrix(self._heading_from_vehicle) @ _VEHICLE_FROM_OPTICAL)
        return rotation

    @property
    def transform(self) -> tuple[tuple[float, float, float], Quaternion]:
        """Translation [m] and rotation of the heading frame in the optical frame."""
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


@dataclass(frozen=True, slots=True)
class FreeRoadRule:
    """Conditions for a pixel to be free road.

    Attributes:
        road_label: Class id of the road.
        max_range_m: Maximum depth of free pixels [m].
        ground_tolerance_m: Maximum distance of a point above or below the ground [m].
        ground_slope: Additional tolerance per metre of depth [m/m].
    """

    road_label: int
    max_range_m: float = 40.0
    ground_tolerance_m: float = 0.2
    ground_slope: float = 0.025


def find_free_road(
    segmentation: Segmentation, depth: NDArray[np.float32], geometry: CameraGeometry,
    rule: FreeRoadRule, camera: LevelCamera | None = None,
) -> NDArray[np.bool_]:
    """Find the pixels that are road, in distribution and at a known depth.

    Args:
        segmentation: Labels and out-of-distribution mask of the left image.
        depth: (H, W) float32 [m], NaN where unknown.
        geometry: Rectified stereo geometry.
        rule: Class of the road and limits.
        camera: Pose of the left camera; None if unknown, which skips the height test.

    Returns:
        (H, W) bool.

    Raises:
        FrameError: The segmentation has no mask.
    """
    if segmentation.ood_mask is None:
        raise FrameError(
            'segmentation for free road', must_be='with an out-of-distribution mask', got='none',
            do='ask the pipeline for Quantity.OOD_MASK')
    free = segmentation.labels == rule.road_label
    free &= ~segmentation.ood_mask
    free &= depth <= np.float32(rule.max_range_m)  # false where unknown
    if camera is not None:
        height = _height(depth, geometry, camera)
        np.abs(height, out=height)
        height -= np.float32(rule.ground_slope) * depth
        free &= height <= np.float32(rule.ground_tolerance_m)
    return np.asarray(free, np.bool_)


def _height(
    depth: NDArray[np.float32], geometry: CameraGeometry, camera: LevelCamera,
) -> NDArray[np.float32]:
    """Heights of all pixels above the ground, (H, W) float32 [m]; NaN where unknown."""
    up = camera.rotation[2]
    columns = up[0] * (np.arange(geometry.width) - geometry.cx) / geometry.fx
    rows = up[1] * (np.arange(geometry.height) - geometry.cy) / geometry.fy + up[2]
    height: NDArray[np.float32] = (
        columns.astype(np.float32) + rows.astype(np.float32)[:, None])
    height *= depth
    height += np.float32(camera.height_m)
    return height


_FREE, _OBSTACLE, _OTHER, _NOTHING = 0, 1, 2, 3
_FREE_PER_OTHER = 4  # a cell is free if at least four of five points in it are free
_LONGEST_GAP = 2.0  # between two rows of ground, as a multiple of the gap on level ground
_LONGEST_FACE_M = 1.0  # between neighbouring points of one obstacle


@dataclass(frozen=True, slots=True)
class GridRule:
    """Size of the grid and evidence needed per cell.

    Attributes:
        resolution_m: Side of a cell [m].
        width_m: Width of the grid [m], half of it on either side of the camera.
        max_obstacle_height_m: Points higher above the ground are ignored [m].
        min_pixels: Minimum number of points that make a cell free or occupied.
    """

    resolution_m: float = 0.2
    width_m: float = 20.0
    max_obstacle_height_m: float = 3.0
    min_pixels: int = 2


class RoadGridBuilder:
    """Builder of ground grids; the constructor triggers compilation if there is no cache."""

    def __init__(self) -> None:
        shape = (2, 2)
        _count_points(
            np.zeros(shape, np.bool_), np.zeros(shape, np.uint8), np.zeros(shape, np.bool_),
            np.ones(shape, np.float32), np.eye(3), 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0, 0.1, 0.1, 1.0,
            1.0, np.zeros((3, 2, 2), np.int32))

    def build(
        self, free: NDArray[np.bool_], segmentation: Segmentation, depth: NDArray[np.float32],
        geometry: CameraGeometry, camera: LevelCamera, road: FreeRoadRule, rule: GridRule,
    ) -> GroundGrid:
        """Build the grid of one image.

        A point is an obstacle if it is out of distribution, or above the ground and not road.
        Points above `max_obstacle_height_m` are ignored. A cell is occupied if it has at least
        `min_pixels` obstacle points; free if it has at least `min_pixels` free points and four
        free points for every other point; unknown otherwise, like sidewalks and unseen ground.

        Args:
            free: (H, W) bool, see `find_free_road`.
            segmentation: Labels and out-of-distribution mask of the left image.
            depth: (H, W) float32 [m], NaN where unknown.
            geometry: Rectified stereo geometry.
            camera: Pose of the left camera.
            road: Rule given to `find_free_road`; its range is the length of the grid.
            rule: Size and limits of the grid.

        Raises:
            FrameError: The segmentation has no mask.
        """
        if segmentation.ood_mask is None:
            raise FrameError(
                'segmentation for a road grid', must_be='with an out-of-distribution mask',
                got='none', do='ask the pipeline for Quantity.OOD_MASK')
        resolution = rule.resolution_m
        num_across = math.ceil(rule.width_m / resolution)
        num_ahead = math.ceil(road.max_range_m / resolution)
        counts = np.zeros((3, num_across, num_ahead), np.int32)
        _count_points(
            free, segmentation.labels, segmentation.ood_mask, depth, camera.rotation,
            camera.height_m, geometry.fx, geometry.fy, geometry.cx, geometry.cy,
            1 / (geometry.fx * geometry.baseline), road.road_label, road.ground_tolerance_m,
            road.ground_slope, rule.max_obstacle_height_m, resolution, counts)
        half_width_m = num_across * resolution / 2
        return GroundGrid(
            cells=_decide(counts, rule.min_pixels),
            resolution_m=resolution,
            x_m=camera.x_m + half_width_m * math.sin(camera.yaw_rad),
            y_m=camera.y_m - half_width_m * math.cos(camera.yaw_rad),
            yaw_rad=camera.yaw_rad,
        )


def _decide(counts: NDArray[np.int32], min_pixels: int) -> NDArray[np.int8]:
    free, obstacle, other = counts
    cells = np.full(free.shape, GroundGrid.UNKNOWN, np.int8)
    is_free = (free >= min_pixels) & (free >= _FREE_PER_OTHER * (obstacle + other))
    cells[is_free] = GroundGrid.FREE
    cells[obstacle >= min_pixels] = GroundGrid.OCCUPIED
    return cells


@numba.njit(nogil=True, cache=True)
def _count_points(  # type: ignore[no-untyped-def]
    free, labels, ood_mask, depth, rotation, camera_height, fx, fy, cx, cy, pixel_of_disparity,
    road_label, tolerance, slope, max_height, resolution, counts,
):
    """Count the free, obstacle and other points of every cell into counts (3, across, ahead).

    At depth z, one pixel of disparity, the typical step of matchers, is pixel_of_disparity z^2
    metres.
    """
    middle = counts.shape[1] / 2
    along_x = rotation[:, 0] / fx
    kinds = np.empty((2, depth.shape[1]), np.uint8)  # of the points of this row and the last one
    kinds[:] = _NOTHING
    for row in range(depth.shape[0]):
        above, here = kinds[(row + 1) % 2], kinds[row % 2]
        b = (row - cy) / fy
        start = rotation[:, 1] * b + rotation[:, 2]
        for column in range(depth.shape[1]):
            here[column] = _NOTHING
            z = depth[row, column]
            a = column - cx
            height = camera_height + z * (along_x[2] * a + start[2])
            if not (z > 0 and height <= max_height):
                continue
            if free[row, column]:
                kind = _FREE
            elif ood_mask[row, column] or (
                    labels[row, column] != road_label and height > tolerance + slope * z):
                kind = _OBSTACLE
            else:
                kind = _OTHER
            here[column] = kind
            ahead = (along_x[0] * a + start[0]) / resolution
            left = (along_x[1] * a + start[1]) / resolution
            _count(counts, kind, z * left + middle, z * ahead)
            if kind == _FREE and above[column] == _FREE:
                sinks = -(along_x[2] * a + start[2])
                level_gap = -z * rotation[2, 1] / (fy * sinks) if sinks > 0 else 0.0
                _fill(counts, kind, left, ahead, middle, z, depth[row - 1, column],
                      _LONGEST_GAP * level_gap + z * z * pixel_of_disparity + resolution)
            elif kind == _OBSTACLE:
                if above[column] == _OBSTACLE:
                    _fill(counts, kind, left, ahead, middle, z, depth[row - 1, column],
                          _LONGEST_FACE_M)
                if column > 0 and here[column - 1] == _OBSTACLE:
                    _fill(counts, kind, left, ahead, middle, z, depth[row, column - 1],
                          _LONGEST_FACE_M)


@numba.njit(nogil=True, cache=True, inline='always')
def _count(counts, kind, across, ahead):  # type: ignore[no-untyped-def]
    if 0 <= across < counts.shape[1] and 0 <= ahead < counts.shape[2]:
        counts[kind, int(across), int(ahead)] += 1


@numba.njit(nogil=True, cache=True)
def _fill(counts, kind, left, ahead, middle, z, other_z, longest):  # type: ignore[no-untyped-def]
    """Count the cells between two neighbouring points, unless these are too far apart."""
    gap = other_z - z
    if abs(gap) > longest:
        return
    steps = int(abs(gap) * max(abs(ahead), abs(left))) + 1
    for step in range(1, steps):
        between = z + gap * step / steps
        _count(counts, kind, between * left + middle, between * ahead)
