# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of frames and results to message fields.

Fields are a dict of names to values (numbers, strings, numpy arrays, nested dicts, lists of dicts)
without the header. The caller copies them into message classes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ldn_perception.types import (
    CameraGeometry,
    DisparityMap,
    GroundGrid,
    Segmentation,
    StereoFrame,
)

Fields = dict[str, Any]


def image_fields(pixels: NDArray[Any], encoding: str) -> Fields:
    """Fields of a sensor_msgs/Image.

    Args:
        pixels: (H, W) or (H, W, C) array, dtype of the encoding.
        encoding: E.g. 'mono8', 'rgb8', '32FC1'.
    """
    pixels = np.ascontiguousarray(pixels)
    return {
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': encoding,
        'is_bigendian': int(not np.little_endian),
        'step': pixels.nbytes // pixels.shape[0],
        'data': pixels.view(np.uint8).reshape(-1),
    }


def camera_info_fields(geometry: CameraGeometry, side: str) -> Fields:
    """Fields of the sensor_msgs/CameraInfo of one rectified camera.

    Args:
        geometry: Camera geometry of the rig.
        side: 'left' or 'right'.
    """
    cx = geometry.cx if side == 'left' else geometry.cx_right
    shift = 0.0 if side == 'left' else -geometry.fx * geometry.baseline
    fx, fy, cy = geometry.fx, geometry.fy, geometry.cy
    return {
        'height': geometry.height,
        'width': geometry.width,
        'distortion_model': 'plumb_bob',
        'd': np.zeros(5),
        'k': np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        'r': np.eye(3).reshape(-1),
        'p': np.array([fx, 0, cx, shift, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
        'binning_x': 0,
        'binning_y': 0,
        'roi': _region_fields(0, 0, 0, 0),
    }


def _region_fields(x: int, y: int, width: int, height: int) -> Fields:
    return {
        'x_offset': x, 'y_offset': y, 'width': width, 'height': height, 'do_rectify': False,
    }


def disparity_fields(disparity: DisparityMap, geometry: CameraGeometry) -> Fields:
    """Fields of a stereo_msgs/DisparityImage; the nested image has no header either.

    Args:
        disparity: Disparity without principal-point adjustment; unknown values stay NaN.
        geometry: Camera geometry; the message holds d = x_l - x_r - (cx_l - cx_r), Z = f t / d.

    Returns:
        Fields as defined by the message. Values and range are adjusted for the principal points.
        The window is the whole image, since every matcher here fills the frame.
    """
    offset = geometry.disparity_offset
    values = disparity.to_host() - np.float32(offset)
    return {
        'image': image_fields(values, '32FC1'),
        'f': geometry.fx,
        't': geometry.baseline,
        'valid_window': _region_fields(0, 0, geometry.width, geometry.height),
        'min_disparity': disparity.min_disparity - offset,
        'max_disparity': disparity.max_disparity - offset,
        'delta_d': disparity.step,
    }


_FLOAT32, _UINT8 = 7, 2  # datatypes of sensor_msgs/PointField


class _PointField(NamedTuple):
    name: str
    stored_as: str
    offset: int
    datatype: int


_POINT_FIELDS = (
    _PointField('x', '<f4', 0, _FLOAT32),
    _PointField('y', '<f4', 4, _FLOAT32),
    _PointField('z', '<f4', 8, _FLOAT32),
    _PointField('rgb', '<u4', 12, _FLOAT32),
    _PointField('foreign_probability', '<f4', 16, _FLOAT32),
    _PointField('label', '<u1', 20, _UINT8),
)

POINT_TYPE = np.dtype({
    'names': [field.name for field in _POINT_FIELDS],
    'formats': [field.stored_as for field in _POINT_FIELDS],
    'offsets': [field.offset for field in _POINT_FIELDS],
    'itemsize': 24,
})
"""Memory layout of a point; rgb is packed for RViz, label and foreign_probability are custom."""


def point_cloud_fields(
    frame: StereoFrame, depth: NDArray[np.float32], segmentation: Segmentation, stride: int,
    max_range_m: float,
) -> Fields:
    """Fields of an organised sensor_msgs/PointCloud2 in the left optical frame.

    Args:
        frame: Stereo pair; provides colours and geometry.
        depth: (H, W) float32 [m], NaN where unknown.
        segmentation: Labels and foreign probability of the pair.
        stride: Step between the rows and columns that become points [px].
        max_range_m: Points farther along the optical axis become NaN [m].
    """
    z = depth[::stride, ::stride]
    xyz = frame.geometry.points(np.where(z <= max_range_m, z, np.float32(math.nan)), stride)
    rgb = frame.left[::stride, ::stride].astype(np.uint32)
    height, width = rgb.shape[:2]
    points = np.zeros((height, width), POINT_TYPE)
    for axis, name in enumerate('xyz'):
        points[name] = xyz[..., axis]
    points['rgb'] = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    points['label'] = segmentation.labels[::stride, ::stride]
    if segmentation.foreign_probability is not None:
        points['foreign_probability'] = segmentation.foreign_probability[::stride, ::stride]
    return {
        'height': height,
        'width': width,
        'fields': [
            {
                'name': field.name, 'offset': field.offset, 'datatype': field.datatype,
                'count': 1,
            }
            for field in _POINT_FIELDS
        ],
        'is_bigendian': False,
        'point_step': POINT_TYPE.itemsize,
        'row_step': POINT_TYPE.itemsize * width,
        'data': points.view(np.uint8).reshape(-1),
        'is_dense': False,
    }


def occupancy_grid_fields(grid: GroundGrid) -> Fields:
    """Fields of a nav_msgs/OccupancyGrid in the level frame."""
    across, ahead = grid.cells.shape
    return {
        'info': {
            'map_load_time': {'sec': 0, 'nanosec': 0},
            'resolution': grid.resolution_m,
            'width': ahead,
            'height': across,
            'origin': {
                'position': {'x': grid.x_m, 'y': grid.y_m, 'z': 0.0},
                'orientation': {
                    'x': 0.0, 'y': 0.0, 'z': math.sin(grid.yaw_rad / 2),
                    'w': math.cos(grid.yaw_rad / 2),
                },
            },
        },
        'data': np.ascontiguousarray(grid.cells).reshape(-1),
    }
