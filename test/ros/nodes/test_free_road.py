# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

from nav_msgs.msg import OccupancyGrid
import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rig import NAME, build_node, end, make_header, running
from sensor_msgs.msg import Image
from stereo_frames import shifted_frame

from ldn_perception.build import build_perception
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.messages import pixels_of
from ldn_perception.free_road import (
    FreeRoadRule,
    GridRule,
    LevelCamera,
    RoadGridBuilder,
    find_free_road,
)
from ldn_perception.ros.nodes import free_road_view
from ldn_perception.ros.nodes.free_road_view import FreeRoadView
from ldn_perception.taxonomy import UNIVERSAL

SECOND = 10**9
BOTH = ('free_road', 'free_road_grid')
# A wall of any class 3.75 m away: of its labels that of the middle shall be the road.
OPTIONS = {
    'camera_height_m': 1.2, 'camera_pitch_deg': 2.0, 'ground_tolerance_m': 2.0,
    'max_range_m': 8.0, 'grid_width_m': 6.0, 'grid_min_pixels': 1,
}


def options(**changes):
    return {f'free_road__{name}': value for name, value in {**OPTIONS, **changes}.items()}


@pytest.fixture
def road(monkeypatch):
    """Makes a class road that random weights see on the wall."""
    config = PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'inference.device': 'cpu', 'stereo.max_disparity': 64})
    result = build_perception(config).pipeline.process(shifted_frame(12))
    labels = result.segmentation.labels
    label = int(np.bincount(labels[labels < UNIVERSAL.num_driving]).argmax())
    monkeypatch.setattr('ldn_perception.build.ROAD_CLASS', UNIVERSAL.class_names[label])
    return result, label


def expected(result, label, camera):
    rule = FreeRoadRule(label, 8.0, 2.0, 0.025)
    depth = result.frame.geometry.depth(result.disparity.to_host())
    free = find_free_road(result.segmentation, depth, result.frame.geometry, rule, camera)
    return free, RoadGridBuilder().build(
        free, result.segmentation, depth, result.frame.geometry, camera, rule,
        GridRule(width_m=6.0, min_pixels=1))


def cells_of(message):
    return np.array(message.data, np.int8).reshape(message.info.height, message.info.width)


class TestParameters:
    def test_both_come_out_with_the_stamp_of_the_image_and_their_frames(self, road):
        with running(BOTH, **options()) as rig:
            rig.send(5 * SECOND + 77)
            rig.spin_until_processed(1)
            mask, grid = (rig.received[name][0] for name in BOTH)
        assert type(mask) is Image
        assert type(grid) is OccupancyGrid
        assert mask.header == make_header(5 * SECOND + 77)
        assert grid.header == make_header(5 * SECOND + 77, 'left_optical_level')
        free, wanted = expected(*road, LevelCamera(1.2, np.radians(2)))
        assert free.any()
        assert (mask.encoding, mask.step) == ('mono8', 160)
        np.testing.assert_array_equal(
            pixels_of(mask, 1, np.uint8)[..., 0], np.where(free, 255, 0))
        np.testing.assert_array_equal(cells_of(grid), wanted.cells)
        assert set(np.unique(wanted.cells)) == {-1, 0, 100}
        assert (grid.info.width, grid.info.height) == (40, 30)
        assert grid.info.resolution == pytest.approx(0.2)
        assert (grid.info.origin.position.x, grid.info.origin.position.y) == (0, -3)
        assert grid.info.origin.orientation.w == 1

    def test_what_nobody_subscribes_to_is_not_computed(self, monkeypatch):
        computed = []
        for name in ('mask', 'grid'):
            monkeypatch.setattr(
                FreeRoadView, name, lambda view, result, name=name: computed.append(name))
        with running(('labels', 'free_road'), **options()) as rig:
            rig.send(SECOND)
            rig.spin_until(lambda: rig.received['labels'], 'labels')
            assert computed == ['mask']

    def test_without_a_height_there_is_a_mask_and_no_grid(self, road):
        with running(('free_road',), **options(camera_height_m=0.0)) as rig:
            assert rig.node.count_publishers(f'{NAME}/free_road_grid') == 0
            rig.send(SECOND)
            rig.spin_until_processed(1)
            mask = pixels_of(rig.received['free_road'][0], 1, np.uint8)
        assert (mask == 255).any()

    def test_pitch_and_range_change_while_the_node_runs(self, road):
        with running(('free_road_grid',), **options()) as rig:
            assert rig.set_parameter('free_road.camera_pitch_deg', 20.0).successful
            assert rig.set_parameter('free_road.max_range_m', 6.0).successful
            refused = rig.set_parameter('free_road.camera_height_m', 2.0)
            assert not refused.successful
            assert 'free_road.camera_height_m must be set before the node' in refused.reason
            rig.send(SECOND)
            rig.spin_until_processed(1)
            cells = cells_of(rig.received['free_road_grid'][0])
        assert cells.shape == (30, 30)
        _, wanted = expected(*road, LevelCamera(1.2, np.radians(20)))
        np.testing.assert_array_equal(cells, wanted.cells[:, :30])

    def test_a_class_list_without_road_has_neither(self, monkeypatch, capfd):
        monkeypatch.setattr('ldn_perception.build.ROAD_CLASS', 'runway')
        with running(**options()) as rig:
            for name in BOTH:
                assert rig.node.count_publishers(f'{NAME}/{name}') == 0
        assert (
            "no free road is published: taxonomy universal for free road must be one with a class "
            "'runway', got road, sidewalk") in capfd.readouterr().err


class LookupFailedError(Exception):
    pass


class FakeTf:
    """What stands behind the tf2_ros of these tests."""

    def __init__(self):
        self.transform = None
        self.sent = []
        self.listeners = 0

    def look_up(self, target, source, time):
        assert (target, source, time.nanoseconds) == ('base_footprint', 'left_optical', 0)
        if self.transform is None:
            raise LookupFailedError('base_footprint does not exist')
        return SimpleNamespace(transform=SimpleNamespace(
            translation=SimpleNamespace(**dict(zip('xyz', self.transform[0], strict=True))),
            rotation=SimpleNamespace(**dict(zip('xyzw', self.transform[1], strict=True)))))

    def listen(self, buffer, node):
        self.listeners += 1
        return SimpleNamespace(unregister=self.unregister)

    def unregister(self):
        self.listeners -= 1


@pytest.fixture
def tf(monkeypatch):
    fake = FakeTf()
    monkeypatch.setattr(free_road_view, 'tf2_ros', SimpleNamespace(
        TransformException=LookupFailedError,
        Buffer=lambda: SimpleNamespace(lookup_transform=fake.look_up),
        TransformListener=fake.listen,
        StaticTransformBroadcaster=lambda node: SimpleNamespace(sendTransform=fake.sent.append)))
    return fake


class TestTf:
    def test_a_frame_without_tf2_fails_with_one_sentence(self, monkeypatch, capfd):
        monkeypatch.setattr(free_road_view, 'tf2_ros', None)
        node = build_node(**options(level_frame='base_footprint'))
        try:
            assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
        finally:
            end(node)
        assert (
            "cannot configure: free_road.level_frame must be empty where tf2_ros is not installed,"
            " got 'base_footprint': install tf2_ros, or give free_road.camera_height_m instead"
        ) in capfd.readouterr().err

    def test_the_frame_is_that_of_the_grid_and_says_how_the_camera_stands(self, tf, road):
        # looking to the left, level, 1.3 m above and 1 m before the origin
        tf.transform = (1.0, 0.0, 1.3), (-0.7071067811865476, 0.0, 0.0, 0.7071067811865476)
        with running(BOTH, **options(level_frame='base_footprint')) as rig:
            assert tf.listeners == 1
            rig.send(SECOND)
            rig.spin_until_processed(1)
            mask, grid = (rig.received[name][0] for name in BOTH)
            assert rig.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
            assert rig.node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
            assert tf.listeners == 0
        assert mask.header == make_header(SECOND)
        assert grid.header == make_header(SECOND, 'base_footprint')
        _, wanted = expected(*road, LevelCamera(1.3))
        np.testing.assert_array_equal(cells_of(grid), wanted.cells)
        origin = grid.info.origin
        assert (origin.position.x, origin.position.y) == pytest.approx((4.0, 0.0))
        assert (origin.orientation.z, origin.orientation.w) == pytest.approx((0.5**0.5,) * 2)

    def test_while_tf_cannot_tell_other_results_come_out_and_the_log_says_why(self, tf, capfd):
        with running(('labels', *BOTH), **options(level_frame='base_footprint')) as rig:
            rig.send(SECOND)
            rig.spin_until(lambda: rig.received['labels'], 'labels')
            rig.spin_until(lambda: rig.snapshot().processed == 1, 'the result')
            assert rig.received['free_road'] == rig.received['free_road_grid'] == []
            tf.transform = (1.0, 0.0, -0.2), (-0.5, 0.5, -0.5, 0.5)
            rig.send(2 * SECOND)
            rig.spin_until(lambda: len(rig.received['labels']) == 2, 'labels')
            tf.transform = (1.0, 0.0, 1.2), (-0.5, 0.5, -0.5, 0.5)
            rig.send(3 * SECOND)
            rig.spin_until(lambda: all(rig.received[name] for name in BOTH), 'free road')
            assert rig.received['free_road'][0].header == make_header(3 * SECOND)
        assert (
            'no free road: free_road.level_frame base_footprint: base_footprint does not exist'
        ) in capfd.readouterr().err

    def test_the_frame_of_the_parameters_is_broadcast_once_and_after_changes(self, tf):
        with running(('free_road_grid',), **options()) as rig:
            for second in (1, 2):
                rig.send(second * SECOND)
                rig.spin_until_processed(second)
            assert len(tf.sent) == 1
            assert rig.set_parameter('free_road.camera_pitch_deg', 0.0).successful
            rig.send(3 * SECOND)
            rig.spin_until_processed(3)
        assert len(tf.sent) == 2
        message = tf.sent[1]
        assert message.header.frame_id == 'left_optical'
        assert message.child_frame_id == 'left_optical_level'
        to, turn = message.transform.translation, message.transform.rotation
        assert (to.x, to.y, to.z) == pytest.approx((0, 1.2, 0))  # below the camera: y is down
        assert (turn.x, turn.y, turn.z, turn.w) == pytest.approx((0.5, -0.5, 0.5, 0.5))
