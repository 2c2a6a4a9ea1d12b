# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A grid on the ground: where the road is free, where something stands, where nobody looked.

Every pixel with a depth is evidence for the cell its point is in. So what was not seen, and what
an obstacle hides, stays unknown by itself. Far away a row of pixels lies metres before the next
one, and so does a column of a wall one drives along: what lies between two neighbouring pixels of
one kind is of that kind too, free or occupied, as far as their points are neighbours as well.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numba
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import FrameError
from ldn_perception.frames import CameraGeometry, GroundGrid, Segmentation
from ldn_perception.free_space.free_road import FreeRoadRule
from ldn_perception.free_space.level_camera import LevelCamera

_FREE, _OBSTACLE, _OTHER, _NOTHING = 0, 1, 2, 3
_FREE_PER_OTHER = 4  # a cell is free where four of five points in it are
_LONGEST_GAP = 2.0  # between two rows of ground: so many times what level ground has
_LONGEST_FACE_M = 1.0  # between neighbouring points of one obstacle


@dataclass(frozen=True, slots=True)
class GridRule:
    """Size of the grid, and what its cells need.

    Attributes:
        resolution_m: Side of a cell.
        width_m: Width, half of it on either side of the camera.
        max_obstacle_height_m: Points higher above the ground are not in the way.
        min_pixels: Points that make a cell free or occupied.
    """

    resolution_m: float = 0.2
    width_m: float = 20.0
    max_obstacle_height_m: float = 3.0
    min_pixels: int = 2


class RoadGridBuilder:
    """Builds grids; construction compiles what was not compiled before."""

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

        A point is an obstacle where it is out of distribution, or above the ground and not road;
        what is above `max_obstacle_height_m` counts for nothing. A cell is occupied from
        `min_pixels` obstacles on; free from `min_pixels` free points on, four for each point in
        it that is not; unknown otherwise, as sidewalks and unseen ground are.

        Args:
            free: (H, W) bool, see `find_free_road`.
            segmentation: Labels and out-of-distribution mask of the left image.
            depth: (H, W) float32 [m], NaN where unknown.
            geometry: The rig.
            camera: How the left camera stands.
            road: As for `find_free_road`; the grid reaches as far.
            rule: Size and limits.

        Raises:
            FrameError: The segmentation has no mask.
        """
        if segmentation.ood_mask is None:
            raise FrameError(
                'segmentation for a road grid', must_be='with an out-of-distribution mask',
                got='none', do='ask the corridor for Quantity.OOD_MASK')
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
    """Count free points, obstacles and others of every cell into counts (3, across, ahead).

    A pixel of disparity, at which matchers tend to jump, is pixel_of_disparity z^2 metres.
    """
    middle = counts.shape[1] / 2
    along_x = rotation[:, 0] / fx
    kinds = np.empty((2, depth.shape[1]), np.uint8)  # of the points of this row and the last
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
    """Count the cells between two neighbouring points, unless they are too far apart."""
    gap = other_z - z
    if abs(gap) > longest:
        return
    steps = int(abs(gap) * max(abs(ahead), abs(left))) + 1
    for step in range(1, steps):
        between = z + gap * step / steps
        _count(counts, kind, between * left + middle, between * ahead)
