# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which pixels of the image are free road; what is unknown is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import FrameError
from ldn_perception.frames import CameraGeometry, Segmentation
from ldn_perception.free_space.level_camera import LevelCamera


@dataclass(frozen=True, slots=True)
class FreeRoadRule:
    """What a pixel must be to be free road.

    Attributes:
        road_label: Id of the class that is driven on.
        max_range_m: Farther pixels are not free.
        ground_tolerance_m: Points may be this far above or below the ground.
        ground_slope: By this much more for each metre of depth.
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
        geometry: The rig.
        rule: Class of the road and limits.
        camera: How the left camera stands; None if that is unknown, then heights are not looked
            at.

    Returns:
        (H, W) bool.

    Raises:
        FrameError: The segmentation has no mask.
    """
    if segmentation.ood_mask is None:
        raise FrameError(
            'segmentation for free road', must_be='with an out-of-distribution mask', got='none',
            do='ask the corridor for Quantity.OOD_MASK')
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
    """Height of every pixel above the ground, (H, W) float32 [m]; NaN where unknown."""
    up = camera.rotation[2]
    columns = up[0] * (np.arange(geometry.width) - geometry.cx) / geometry.fx
    rows = up[1] * (np.arange(geometry.height) - geometry.cy) / geometry.fy + up[2]
    height = columns.astype(np.float32) + rows.astype(np.float32)[:, None]
    height *= depth
    height += np.float32(camera.height_m)
    return height
