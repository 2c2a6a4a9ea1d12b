# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from street_scene import CAR, ROAD, SIDEWALK, Box, Scene

from ldn_perception.errors import FrameError
from ldn_perception.free_road import FreeRoadRule, LevelCamera, find_free_road
from ldn_perception.types import UNLABELLED, CameraGeometry, Segmentation

RULE = FreeRoadRule(ROAD, max_range_m=20.0)


def one_row(labels, ood, depth):
    width = len(labels)
    geometry = CameraGeometry(width, 1, 100.0, 100.0, 0.0, 0.0, 0.0, 0.5)
    segmentation = Segmentation(
        'cityscapes', np.array([labels], np.uint8), np.array([ood], bool))
    return segmentation, np.array([depth], np.float32), geometry


def test_only_road_in_distribution_at_a_known_depth_within_range_is_free():
    nan = math.nan
    arguments = one_row(
        [ROAD, ROAD, ROAD, ROAD, SIDEWALK, UNLABELLED, CAR, ROAD],
        [0, 1, 0, 0, 0, 0, 0, 0],
        [5.0, 5.0, nan, 20.5, 5.0, 5.0, 5.0, 20.0])
    assert find_free_road(*arguments, RULE).tolist() == [
        [True, False, False, False, False, False, False, True]]


def test_a_segmentation_without_mask_is_refused():
    segmentation, depth, geometry = one_row([ROAD], [0], [5.0])
    segmentation = Segmentation('cityscapes', segmentation.labels)
    with pytest.raises(FrameError, match=(
            r'segmentation for free road must be with an out-of-distribution mask, got none: ask '
            r'the pipeline for Quantity.OOD_MASK')):
        find_free_road(segmentation, depth, geometry, RULE)


@pytest.mark.parametrize('pose', [(1.6, 6.0, 0.0), (2.2, -3.0, 4.0), (1.2, 20.0, -7.0)])
def test_level_ground_is_free_and_what_stands_on_it_is_not(pose):
    height, pitch, roll = pose
    scene = Scene(height_m=height, pitch_deg=pitch, roll_deg=roll, boxes=(Box(label=ROAD),))
    depth, labels = scene.render()
    segmentation = scene.segmentation(labels)
    camera = LevelCamera(height, math.radians(pitch), math.radians(roll))
    seen = find_free_road(segmentation, depth, scene.geometry, RULE)
    free = find_free_road(segmentation, depth, scene.geometry, RULE, camera)
    ground = Scene(height_m=height, pitch_deg=pitch, roll_deg=roll, boxes=())
    on_ground = depth == ground.render()[0]
    assert (seen & on_ground).any()
    np.testing.assert_array_equal(free[on_ground], seen[on_ground])
    # the box is called road: its front may be up to the tolerance at 8.1 m, 0.2 + 0.025 * 8.3
    on_box = seen & ~on_ground
    assert on_box.any()
    rows, columns = np.nonzero(on_box)
    rays = np.stack([(columns - scene.geometry.cx) / scene.geometry.fx,
                     (rows - scene.geometry.cy) / scene.geometry.fy, np.ones(rows.size)])
    above = height + depth[on_box] * (scene.rotation @ rays)[2]
    tolerated = 0.2 + 0.025 * depth[on_box]
    np.testing.assert_array_equal(
        free[on_box][np.abs(above - tolerated) > 1e-4],
        (above <= tolerated)[np.abs(above - tolerated) > 1e-4])


def test_a_hole_in_the_road_is_not_free():
    scene = Scene(boxes=())
    depth, labels = scene.render()
    camera = LevelCamera(1.6, math.radians(6))
    lower = Scene(height_m=2.3, boxes=()).render()[0]
    free = find_free_road(scene.segmentation(labels), depth, scene.geometry, RULE, camera)
    sunk = find_free_road(scene.segmentation(labels), lower, scene.geometry, RULE, camera)
    near = (depth < 10) & free
    assert near.any()
    assert not sunk[near].any()
