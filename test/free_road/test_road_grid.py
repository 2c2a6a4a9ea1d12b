# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from street_scene import CAR, ROAD, Box, Scene

from ldn_perception.errors import FrameError
from ldn_perception.free_road import (
    FreeRoadRule,
    GridRule,
    LevelCamera,
    RoadGridBuilder,
    find_free_road,
)
from ldn_perception.types import GroundGrid, Segmentation

ROAD_RULE = FreeRoadRule(ROAD, max_range_m=16.0)
RULE = GridRule(width_m=12.0)
FREE, OCCUPIED, UNKNOWN = 0, 100, -1


@pytest.fixture(scope='module')
def builder():
    return RoadGridBuilder()


def grid_of(builder, scene, depth, segmentation, road=ROAD_RULE, rule=RULE, **pose):
    camera = LevelCamera(
        scene.height_m, math.radians(scene.pitch_deg), math.radians(scene.roll_deg), **pose)
    free = find_free_road(segmentation, depth, scene.geometry, road, camera)
    return builder.build(free, segmentation, depth, scene.geometry, camera, road, rule)


def points_of_cells(num_across, num_ahead, resolution, samples=6):
    """Ground points in every cell and on its border, (across, ahead, samples * samples, 3)."""
    inside = np.linspace(1e-6, 1 - 1e-6, samples)
    across, ahead, one, other = np.meshgrid(
        np.arange(num_across), np.arange(num_ahead), inside, inside, indexing='ij')
    x = (ahead + one) * resolution
    y = (across + other - num_across / 2) * resolution
    points = np.stack([x, y, np.zeros_like(x)], axis=-1)
    return points.reshape(num_across, num_ahead, samples * samples, 3)


@pytest.mark.parametrize('scene', [
    Scene(),
    Scene(height_m=2.0, pitch_deg=-2.0, roll_deg=5.0),
    Scene(height_m=1.3, pitch_deg=15.0, roll_deg=-4.0,
          boxes=(Box((6.1, -3.9, 0), (7.1, -3.1, 1.1)), Box((10.1, -1.1, 0), (10.7, 1.3, 2.0)))),
])
def test_plane_and_boxes_give_exactly_the_cells_that_geometry_says(builder, scene):
    depth, labels = scene.render()
    cells = grid_of(builder, scene, depth, scene.segmentation(labels)).cells
    assert cells.shape == (60, 80)
    points = points_of_cells(60, 80, 0.2)
    seen = scene.sees(points.reshape(-1, 3)).reshape(points.shape[:3])
    is_road = np.abs(points[..., 1]) < scene.half_road_m
    below = np.zeros_like(seen)
    front = np.zeros(cells.shape, bool)
    for box in scene.boxes:
        low, high = np.asarray(box.low), np.asarray(box.high)
        below |= ((points > low) & (points < high))[..., :2].all(axis=-1)
        across = points[..., 1]
        front |= (points[..., 0, 0] // 0.2 == low[0] // 0.2) & (
            (across > low[1]) & (across < high[1])).any(axis=-1)
    in_view = seen.all(axis=-1)
    in_view[:, 75:] = False  # no row of pixels lies beyond 16 m to fill up to
    free = in_view & is_road.all(axis=-1) & ~front & ~below.any(axis=-1)
    assert free.sum() > 600
    assert (cells[free] == FREE).all()
    hidden = ~(seen & is_road).any(axis=-1)
    assert hidden.sum() > 600
    assert not (cells[hidden] == FREE).any()
    assert not (cells[~front & ~below.any(axis=-1)] == OCCUPIED).any()
    # every front stands in view, and these boxes hide no part of each other's
    assert (cells[front] == OCCUPIED).all()
    behind = hidden & is_road.all(axis=-1) & ~below.any(axis=-1)
    assert behind.sum() > 20
    assert (cells[behind] == UNKNOWN).all()
    # what is left is seen in part
    assert (free | hidden | front | below.any(axis=-1)).mean() > 0.93


def test_the_top_of_a_low_box_is_occupied_and_left_is_left(builder):
    scene = Scene(height_m=2.5, pitch_deg=15.0, boxes=(Box((6.1, 2.1, 0), (6.9, 2.9, 1.0)),))
    depth, labels = scene.render()
    cells = grid_of(builder, scene, depth, scene.segmentation(labels)).cells
    across, ahead = np.nonzero(cells == OCCUPIED)
    assert sorted(set(ahead)) == [30, 31, 32, 33, 34]  # 6.0 m to 7.0 m
    assert sorted(set(across)) == [40, 41, 42, 43, 44]  # 2.0 m to 3.0 m left of the middle
    assert across.size == 25


def test_a_road_that_is_out_of_distribution_is_occupied(builder):
    scene = Scene(boxes=())
    depth, labels = scene.render()
    ood_mask = np.zeros(labels.shape, bool)
    ood_mask[250:, 300:330] = True
    cells = grid_of(builder, scene, depth, scene.segmentation(labels, ood_mask)).cells
    clean = grid_of(builder, scene, depth, scene.segmentation(labels)).cells
    assert not (clean == OCCUPIED).any()
    masked = ood_mask & np.isfinite(depth) & (depth < 15)
    rows, columns = np.nonzero(masked)
    geometry = scene.geometry
    rays = np.stack([(columns - geometry.cx) / geometry.fx, (rows - geometry.cy) / geometry.fy,
                     np.ones(rows.size)])
    x, y, _ = scene.rotation @ rays * depth[masked]
    assert (cells[(y // 0.2).astype(int) + 30, (x // 0.2).astype(int)] == OCCUPIED).all()
    assert (cells[clean == FREE] == FREE).mean() > 0.8


def test_something_above_that_one_drives_below_is_not_in_the_way(builder):
    bridge = Scene(pitch_deg=0.0, boxes=(Box((10.1, -5.0, 3.2), (11.9, 5.0, 4.0)),))
    depth, labels = bridge.render()
    assert (labels == CAR).any()
    open_road = Scene(pitch_deg=0.0, boxes=())
    expected = grid_of(builder, open_road, *swapped(open_road)).cells
    segmentation = bridge.segmentation(labels)
    np.testing.assert_array_equal(grid_of(builder, bridge, depth, segmentation).cells, expected)
    higher = GridRule(width_m=12.0, max_obstacle_height_m=3.5)
    assert (grid_of(builder, bridge, depth, segmentation, rule=higher).cells == OCCUPIED).any()


def swapped(scene):
    depth, labels = scene.render()
    return depth, scene.segmentation(labels)


def test_a_box_that_is_called_road_is_neither_free_nor_occupied(builder):
    scene = Scene(boxes=(Box(label=ROAD),))
    cells = grid_of(builder, scene, *swapped(scene)).cells
    assert (cells[36:44, 41:49] == UNKNOWN).all()  # 8.2 m to 9.8 m, 1.2 m to 2.8 m left
    assert not (cells == OCCUPIED).any()


def test_ground_without_depth_is_unknown(builder):
    scene = Scene(boxes=())
    depth, segmentation = swapped(scene)
    depth[:] = math.nan
    assert (grid_of(builder, scene, depth, segmentation).cells == UNKNOWN).all()


def test_ground_that_is_hidden_between_two_free_rows_is_not_filled(builder):
    scene = Scene(boxes=())
    depth, segmentation = swapped(scene)
    depth[(depth > 5) & (depth < 8)] += np.float32(3)  # nothing between 5 m and 8 m any more
    tolerant = FreeRoadRule(ROAD, max_range_m=16.0, ground_tolerance_m=2.0)
    cells = grid_of(builder, scene, depth, segmentation, road=tolerant).cells
    middle = cells[30, :]
    assert (middle[20:24] == FREE).all()
    assert (middle[27:37] == UNKNOWN).all()
    assert (middle[42:60] == FREE).all()


def test_the_more_pixels_are_wanted_the_fewer_cells_are_free(builder):
    scene = Scene()
    numbers = [
        (grid_of(builder, scene, *swapped(scene), rule=GridRule(
            width_m=12.0, min_pixels=pixels)).cells == FREE).sum() for pixels in (1, 20, 100)]
    assert numbers[0] > numbers[1] > numbers[2]


def test_the_grid_lies_where_the_camera_stands_and_looks(builder):
    scene = Scene()
    plain = grid_of(builder, scene, *swapped(scene))
    assert (plain.x_m, plain.y_m, plain.yaw_rad, plain.resolution_m) == (0, -6, 0, 0.2)
    moved = grid_of(builder, scene, *swapped(scene), x_m=2.0, y_m=1.0, yaw_rad=math.pi / 2)
    np.testing.assert_array_equal(moved.cells, plain.cells)
    # looking to the left of the level frame, right is forward
    assert (moved.x_m, moved.y_m) == pytest.approx((8.0, 1.0))
    assert moved.yaw_rad == math.pi / 2


def test_a_size_that_is_no_multiple_of_the_resolution_is_rounded_up(builder):
    scene = Scene()
    grid = grid_of(builder, scene, *swapped(scene), road=FreeRoadRule(ROAD, max_range_m=10.1),
                   rule=GridRule(resolution_m=0.5, width_m=7.2))
    assert grid.cells.shape == (15, 21)
    assert grid.y_m == -3.75


def test_a_segmentation_without_mask_is_refused(builder):
    scene = Scene()
    depth, segmentation = swapped(scene)
    with pytest.raises(FrameError, match=(
            r'segmentation for a road grid must be with an out-of-distribution mask, got none')):
        builder.build(
            np.zeros(depth.shape, bool), Segmentation('cityscapes', segmentation.labels), depth,
            scene.geometry, LevelCamera(1.6), ROAD_RULE, RULE)


class TestDrive:
    """Labels, disparity and pose of a rendered drive against where its street is."""

    @pytest.fixture(scope='class')
    @staticmethod
    def seen(builder):
        pytest.importorskip('embreex', reason='the ray caster of the drive is not installed')
        from ldn_perception.synthetic_drive import SyntheticDrive

        sample = SyntheticDrive(seed=3, num_frames=20, width=640, height=320)[10]
        camera = LevelCamera.from_transform(
            sample.pose[:3, 3], Rotation.from_matrix(sample.pose[:3, :3]).as_quat())
        geometry = sample.frame.geometry
        segmentation = Segmentation('cityscapes', sample.labels, sample.foreign)
        depth = geometry.depth(sample.disparity)
        road = FreeRoadRule(ROAD, max_range_m=25.0, ground_tolerance_m=0.08, ground_slope=0.0)
        free = find_free_road(segmentation, depth, geometry, road, camera)
        grid = builder.build(free, segmentation, depth, geometry, camera, road, GridRule())
        return sample, grid

    def world(self, grid):
        """Middle of each cell in the world, (across, ahead) complex x + iy."""
        across, ahead = np.indices(grid.cells.shape)
        inside = (ahead + 0.5 + 1j * (across + 0.5)) * grid.resolution_m
        return complex(grid.x_m, grid.y_m) + inside * np.exp(1j * grid.yaw_rad)

    def test_free_cells_are_on_the_street(self, seen):
        from ldn_perception.synthetic_drive.street import ROAD_HALF_WIDTH_M, Street

        _, grid = seen
        middle = self.world(grid)
        across = np.abs(middle.imag - Street(3).center(middle.real))
        is_free = grid.cells == GroundGrid.FREE
        assert is_free.sum() > 1000
        assert across[is_free].max() < ROAD_HALF_WIDTH_M + 0.25

    def test_nothing_that_was_seen_stands_in_free_cells(self, seen):
        sample, grid = seen
        geometry, pose = sample.frame.geometry, sample.pose
        depth = geometry.fx * geometry.baseline / sample.disparity.astype(float)
        rows, columns = np.indices(depth.shape)
        points = np.stack([(columns - geometry.cx) / geometry.fx * depth,
                           (rows - geometry.cy) / geometry.fy * depth, depth], axis=-1)
        points = points[np.isfinite(depth)] @ pose[:3, :3].T + pose[:3, 3]
        labels = sample.labels[np.isfinite(depth)]
        flat = (points[:, 0] + 1j * points[:, 1] - complex(grid.x_m, grid.y_m)) * np.exp(
            -1j * grid.yaw_rad) / grid.resolution_m
        ahead, across = np.floor(flat.real).astype(int), np.floor(flat.imag).astype(int)
        inside = (ahead >= 0) & (ahead < grid.cells.shape[1])
        inside &= (across >= 0) & (across < grid.cells.shape[0])
        high = inside & (points[:, 2] > 0.1) & (points[:, 2] < 2.9) & (labels != ROAD)
        number = np.zeros(grid.cells.shape, int)
        np.add.at(number, (across[high], ahead[high]), 1)
        assert (grid.cells[number >= 2] == GroundGrid.OCCUPIED).all()
        assert (number >= 2).sum() > 200
        assert not number[grid.cells == GroundGrid.UNKNOWN].max() >= 2
        foreign = inside & sample.foreign[np.isfinite(depth)] & (points[:, 2] < 2.9)
        if foreign.any():
            assert not (grid.cells[across[foreign], ahead[foreign]] == GroundGrid.FREE).all()

    def test_road_in_view_is_free(self, seen):
        sample, grid = seen
        geometry, pose = sample.frame.geometry, sample.pose
        middle = self.world(grid)
        ground = np.stack([middle.real, middle.imag, np.zeros(middle.shape)], axis=-1)
        x, y, z = np.moveaxis((ground - pose[:3, 3]) @ pose[:3, :3], -1, 0)
        with np.errstate(divide='ignore', invalid='ignore'):
            column = np.round(geometry.fx * x / z + geometry.cx)
            row = np.round(geometry.fy * y / z + geometry.cy)
        inside = (z > 0) & (column >= 0) & (column < 640) & (row >= 0) & (row < 320)
        there = row[inside].astype(int), column[inside].astype(int)
        depth = geometry.fx * geometry.baseline / sample.disparity[there]
        visible = (sample.labels[there] == ROAD) & (np.abs(depth - z[inside]) < 0.02 * depth)
        cells = grid.cells[inside][visible]
        assert cells.size > 1000
        assert (cells != GroundGrid.UNKNOWN).mean() > 0.97
        assert (cells == GroundGrid.FREE).mean() > 0.85  # cars stand in some of them as well
