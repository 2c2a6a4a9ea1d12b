# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Raw cameras for tests, projected by the formulas of OpenCV's documentation, point by point."""

import math

import cv2
import numpy as np
from stereo_frames import geometry, namespace

from ldn_perception.data.message_fields import camera_info_fields

LENSES = {
    'plumb_bob': (-0.28, 0.09, 0.0008, -0.0011, -0.01),
    'rational_polynomial': (0.9, 0.12, -0.0006, 0.0009, 0.004, 1.2, 0.25, 0.01),
    'equidistant': (-0.02, 0.004, -0.001, 0.0003),
}
"""Coefficients of a lens of every model, in the order of CameraInfo.d."""

RAW = {'left': (205.0, 207.0, 158.0, 101.0), 'right': (203.0, 204.0, 163.0, 97.0)}
"""fx fy cx cy of the raw cameras."""

TURNS = {'left': (0.012, -0.02, 0.015), 'right': (-0.01, 0.017, -0.02)}
"""Axis times angle from raw to rectified axes [rad]."""


def rectified_rig(**changes):
    """The rig after rectification, 320x200."""
    return geometry(320, 200, **{
        'fx': 180.0, 'fy': 182.0, 'cx': 161.0, 'cy': 99.0, 'cx_right': 155.5, 'baseline': 0.3,
        **changes})


def rotation_of(turn):
    """Rodrigues' formula: the matrix of a rotation by |turn| about turn."""
    angle = math.sqrt(sum(value * value for value in turn))
    if angle == 0:
        return np.eye(3)
    x, y, z = (value / angle for value in turn)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def info(side, model, rig=None, turn=None, distortion=None, raw=None):
    """CameraInfo of a raw camera that is rectified into the rig."""
    fx, fy, cx, cy = raw or RAW[side]
    rig = rectified_rig() if rig is None else rig
    return namespace({
        **camera_info_fields(rig, side),
        'distortion_model': model,
        'd': np.array(LENSES[model] if distortion is None else distortion, np.float64),
        'k': np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        'r': rotation_of(TURNS[side] if turn is None else turn).reshape(-1),
    })


def raw_pixel(point, camera_info):
    """Column and row where a camera with its lens sees a point of its rectified axes [px]."""
    x, y, z = np.array(camera_info.r).reshape(3, 3).T @ point
    x, y = distorted(x / z, y / z, camera_info.distortion_model, camera_info.d)
    k = camera_info.k
    return k[0] * x + k[2], k[4] * y + k[5]


def distorted(x, y, model, coefficients):
    """Bend a ray (x, y, 1) as the lens does."""
    radius = math.hypot(x, y)
    if model == 'equidistant':
        if radius == 0:
            return x, y
        theta = math.atan(radius)
        bent = theta * (1 + sum(k * theta ** (2 * i + 2) for i, k in enumerate(coefficients)))
        return x * bent / radius, y * bent / radius
    k1, k2, p1, p2, k3, k4, k5, k6 = [*coefficients, *[0] * (8 - len(coefficients))]
    r2 = radius**2
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)


def rectified_pixel(point, camera_info):
    """Column and row where the rectified camera sees a point of its axes [px]."""
    p = camera_info.p
    return p[0] * point[0] / point[2] + p[2], p[5] * point[1] / point[2] + p[6]


def ray_of(column, row, camera_info):
    """Point at depth 1 that the rectified camera sees at a pixel."""
    p = camera_info.p
    return np.array([(column - p[2]) / p[0], (row - p[6]) / p[5], 1.0])


def image_with_dots(centres, width=320, height=200, sigma_px=1.3):
    """(height, width, 3) uint8: a bright dot round every centre (column, row) on black."""
    rows, columns = np.indices((height, width))
    image = np.zeros((height, width))
    for column, row in centres:
        image += np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * sigma_px**2))
    return np.repeat((250 * image.clip(0, 1)).round().astype(np.uint8)[..., None], 3, 2)


def centre_of_dot(image, column, row, reach=7):
    """Centre of gravity of the dot near a pixel."""
    left, top = round(column) - reach, round(row) - reach
    window = image[top:top + 2 * reach + 1, left:left + 2 * reach + 1, 0].astype(np.float64)
    rows, columns = np.indices(window.shape)
    total = window.sum()
    return left + (window * columns).sum() / total, top + (window * rows).sum() / total


def unrectified(image, camera_info):
    """What the raw camera would have sent, whose rectified image this is; (H, W, 3) uint8."""
    height, width = image.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    undistort = (
        cv2.fisheye.undistortPoints if camera_info.distortion_model == 'equidistant'
        else cv2.undistortPoints)
    positions = undistort(
        grid.reshape(-1, 1, 2).astype(np.float64), np.array(camera_info.k).reshape(3, 3),
        np.array(camera_info.d), R=np.array(camera_info.r).reshape(3, 3),
        P=np.array(camera_info.p).reshape(3, 4)[:, :3])
    columns, rows = np.moveaxis(positions.reshape(height, width, 2).astype(np.float32), -1, 0)
    return cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
