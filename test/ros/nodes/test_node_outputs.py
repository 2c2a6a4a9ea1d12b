# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from rig import NAME, TYPES, make_header, plane, running
from sensor_msgs.msg import Image
from stereo_frames import geometry, shifted_frame

from ldn_perception.build import build_perception
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.message_fields import POINT_TYPE, image_fields
from ldn_perception.data.messages import pixels_of
from ldn_perception.ros.nodes.outputs import fill

SECOND = 10**9
ALL = tuple(
    name for name in TYPES
    if name not in ('scale_switches', 'disparity_confidence', 'free_road_grid'))


@pytest.fixture(scope='module')
def published():
    with running(ALL) as rig:
        rig.send(5 * SECOND + 77)
        rig.spin_until_processed(1)
        return {name: messages[0] for name, messages in rig.received.items()}


@pytest.fixture(scope='module')
def expected():
    config = PerceptionConfig.from_values({
        'model.name': 'ldn_small', 'inference.device': 'cpu', 'stereo.max_disparity': 64})
    return build_perception(config).pipeline.process(shifted_frame(12))


class TestOutputs:
    def test_every_output_has_the_header_of_the_left_image(self, published):
        assert set(published) == {
            'labels', 'ood_mask', 'foreign_probability', 'confidence', 'labels_color', 'overlay',
            'disparity', 'depth', 'points', 'free_road'}
        for message in published.values():
            assert message.header == make_header(5 * SECOND + 77)
        assert published['disparity'].image.header == make_header(5 * SECOND + 77)

    @pytest.mark.parametrize(('name', 'encoding', 'step'), [
        ('labels', 'mono8', 160), ('ood_mask', 'mono8', 160), ('free_road', 'mono8', 160),
        ('foreign_probability', '32FC1', 640), ('confidence', '32FC1', 640),
        ('labels_color', 'rgb8', 480), ('overlay', 'rgb8', 480), ('depth', '32FC1', 640),
    ])
    def test_images_have_camera_size_and_their_encoding(self, published, name, encoding, step):
        message = published[name]
        assert (message.height, message.width, message.step) == (96, 160, step)
        assert (message.encoding, message.is_bigendian) == (encoding, 0)
        assert len(message.data) == 96 * step

    def test_labels_and_probabilities_are_those_of_the_pipeline(self, published, expected):
        segmentation = expected.segmentation
        np.testing.assert_array_equal(plane(published['labels'], np.uint8), segmentation.labels)
        np.testing.assert_array_equal(
            plane(published['confidence'], np.float32), segmentation.confidence)
        np.testing.assert_array_equal(
            plane(published['foreign_probability'], np.float32),
            segmentation.foreign_probability)

    def test_the_mask_is_where_the_foreign_probability_is_above_the_threshold(self, published):
        mask = plane(published['ood_mask'], np.uint8)
        foreign = plane(published['foreign_probability'], np.float32)
        np.testing.assert_array_equal(mask, np.where(foreign > 0.5, 255, 0))

    def test_the_wall_has_its_disparity_and_depth(self, published):
        message = published['disparity']
        rig = geometry()
        disparity = plane(message.image, np.float32)
        assert np.nanmedian(disparity) == pytest.approx(12, abs=0.1)
        assert (message.f, message.t) == (rig.fx, rig.baseline)
        assert (message.min_disparity, message.max_disparity) == (0, 63)
        assert message.delta_d == 1 / 16
        window = message.valid_window
        assert (window.x_offset, window.y_offset, window.width, window.height) == (0, 0, 160, 96)
        depth = plane(published['depth'], np.float32)
        known = np.isfinite(depth)
        np.testing.assert_allclose(
            depth[known], message.f * message.t / disparity[known], rtol=1e-5)
        np.testing.assert_array_equal(known, disparity > 0)

    def test_points_agree_with_depth_labels_and_image(self, published):
        message = published['points']
        points = np.frombuffer(message.data, POINT_TYPE).reshape(message.height, message.width)
        depth = plane(published['depth'], np.float32)[::2, ::2]
        np.testing.assert_array_equal(points['z'], depth)
        labels = plane(published['labels'], np.uint8)[::2, ::2]
        np.testing.assert_array_equal(points['label'], labels)
        assert [entry.name for entry in message.fields] == [
            'x', 'y', 'z', 'rgb', 'foreign_probability', 'label']
        assert (message.point_step, message.row_step) == (24, 24 * 80)
        assert not message.is_dense


class TestScaleSwitches:
    def test_a_scale_selecting_network_shows_the_levels_it_takes(self):
        with running(('scale_switches',), model__name='scale_invariant_small') as rig:
            rig.send(SECOND)
            rig.spin_until_processed(1)
            message = rig.received['scale_switches'][0]
            assert (message.height, message.width, message.encoding) == (96, 480, 'rgb8')
            assert message.header == make_header(SECOND)
            # the wall: 24 px a metre, so 7 m span 168 of 185 px: the original image everywhere
            pixels = pixels_of(message, 3, np.uint8)
            assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1

    def test_other_networks_have_none(self):
        with running() as rig:
            assert rig.node.count_publishers(f'{NAME}/scale_switches') == 0


class TestDisparityConfidence:
    def test_a_matcher_that_knows_it_publishes_it(self):
        with running(('disparity_confidence', 'disparity'), stereo__matcher='census') as rig:
            rig.send(SECOND)
            rig.spin_until_processed(1)
            message = rig.received['disparity_confidence'][0]
            assert (message.height, message.width, message.encoding) == (96, 160, '32FC1')
            assert message.header == make_header(SECOND)
            confidence = plane(message, np.float32)
            known = np.isfinite(plane(rig.received['disparity'][0].image, np.float32))
            assert ((confidence >= 0) & (confidence <= 1)).all()
            assert (confidence[~known] == 0).all()
            assert np.median(confidence[known]) > 0.3

    def test_other_matchers_have_none(self):
        with running() as rig:
            assert rig.node.count_publishers(f'{NAME}/disparity_confidence') == 0


class TestDensity:
    def values(self, rig, key):
        rig.spin_until(lambda: rig.diagnostics and any(
            entry.key == key for entry in rig.diagnostics[-1].status[0].values), key)
        return {entry.key: entry.value for entry in rig.diagnostics[-1].status[0].values}

    def test_diagnostics_tell_the_part_of_pixels_with_a_disparity(self):
        with running(('disparity',), monitoring__diagnostics_period_s=0.1) as rig:
            rig.send(SECOND)
            rig.spin_until_processed(1)
            density = float(self.values(rig, 'disparity.density')['disparity.density'])
            known = np.isfinite(plane(rig.received['disparity'][0].image, np.float32))
            assert density == pytest.approx(known.mean(), abs=6e-4)

    def test_diagnostics_tell_why_nothing_is_known(self):
        black = fill(Image(), image_fields(np.zeros((96, 160, 3), np.uint8), 'rgb8'))
        black.header = make_header(SECOND)
        with running(('disparity',), monitoring__diagnostics_period_s=0.1) as rig:
            rig.send(SECOND, right_image=black)
            rig.spin_until_processed(1)
            values = self.values(rig, 'disparity.problem')
            assert values['disparity.problem'] == 'the right image has a single colour'
            assert values['disparity.density'] == '0.000'
