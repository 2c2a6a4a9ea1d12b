# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A street of one plane and one box, seen by a camera: points by intersecting every ray."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from ldn_perception.taxonomy import CITYSCAPES
from ldn_perception.types import CameraGeometry, Segmentation

ROAD, SIDEWALK, CAR, SKY = map(
    CITYSCAPES.class_names.index, ('road', 'sidewalk', 'car', 'sky'))
OPTICAL = Rotation.from_euler('xyz', [-90, 0, -90], degrees=True)


@dataclass(frozen=True)
class Box:
    """Corners, x forward, y left, z up from the ground below the camera [m]."""

    low: tuple = (8.1, 1.1, 0.0)
    high: tuple = (9.9, 2.9, 1.0)
    label: int = CAR

    def entered(self, origin, directions):
        """Distance along each ray where it enters, infinite where it does not."""
        with np.errstate(divide='ignore', invalid='ignore'):
            first = (np.asarray(self.low) - origin) / directions
            second = (np.asarray(self.high) - origin) / directions
        enters = np.nanmax(np.minimum(first, second), axis=-1)
        leaves = np.nanmin(np.maximum(first, second), axis=-1)
        return np.where((enters <= leaves) & (enters > 0), enters, np.inf)


@dataclass(frozen=True)
class Scene:
    """What the camera sees; the road is as wide as `half_road_m` on either side."""

    geometry: CameraGeometry = field(default_factory=lambda: CameraGeometry(
        640, 400, 420.0, 425.0, 310.0, 190.0, 310.0, 0.5))
    height_m: float = 1.6
    pitch_deg: float = 6.0
    roll_deg: float = 0.0
    half_road_m: float = 4.0
    boxes: tuple = (Box(),)

    @property
    def origin(self):
        return np.array([0, 0, self.height_m])

    @property
    def rotation(self):
        turn = Rotation.from_euler('YX', [self.pitch_deg, self.roll_deg], degrees=True)
        return (turn * OPTICAL).as_matrix()

    def render(self):
        """Depth and labels of every pixel."""
        geometry = self.geometry
        columns, rows = np.meshgrid(
            np.arange(geometry.width, dtype=float), np.arange(geometry.height, dtype=float))
        rays = np.stack([(columns - geometry.cx) / geometry.fx, (rows - geometry.cy) / geometry.fy,
                         np.ones_like(rows)], axis=-1) @ self.rotation.T
        depth = np.full(geometry.shape, np.inf)
        downward = rays[..., 2] < -1e-9
        depth[downward] = self.height_m / -rays[downward][:, 2]
        with np.errstate(invalid='ignore'):
            ground_y = depth * rays[..., 1]
        labels = np.where(np.abs(ground_y) <= self.half_road_m, ROAD, SIDEWALK)
        labels[~downward] = SKY
        for box in self.boxes:
            distance = box.entered(self.origin, rays)
            labels[distance < depth] = box.label
            depth = np.minimum(depth, distance)
        depth[np.isinf(depth)] = np.nan
        return depth.astype(np.float32), labels.astype(np.uint8)

    def segmentation(self, labels, ood_mask=None):
        if ood_mask is None:
            ood_mask = np.zeros(labels.shape, bool)
        return Segmentation('cityscapes', labels, ood_mask)

    def sees(self, points):
        """Whether each ground point (N, 3) is in the image and no box stands before it."""
        geometry = self.geometry
        x, y, z = ((points - self.origin) @ self.rotation).T
        column = geometry.fx * x / z + geometry.cx
        row = geometry.fy * y / z + geometry.cy
        inside = (z > 0) & (column >= 0) & (column <= geometry.width - 1)
        inside &= (row >= 0) & (row <= geometry.height - 1)
        for box in self.boxes:
            inside &= box.entered(self.origin, points - self.origin) >= 1
        return inside
