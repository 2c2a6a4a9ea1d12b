# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The node says why nothing comes out: one test for each cause."""

import subprocess
import sys

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rig import Rig, build_node, end, hold, make_header
from sensor_msgs.msg import CameraInfo, Image
from stereo_frames import shifted_frame

from ldn_perception.data.message_fields import image_fields
from ldn_perception.ros.nodes.outputs import fill

SECOND = 10**9


@pytest.fixture
def silent():
    """A node that complains soon, before a rig that has not sent anything."""
    nodes = []

    def build(publish=('left_image', 'right_image', 'left_info', 'right_info'),
              reliability=ReliabilityPolicy.RELIABLE, wanted=('labels',), **values):
        node = build_node(
            monitoring__silence_s=0.5, monitoring__diagnostics_period_s=0.1, **values)
        nodes.append(node)
        assert node.start()
        rig = Rig(node, wanted, reliability)
        for name in set(rig.publishers) - set(publish):
            rig.tester.destroy_publisher(rig.publishers.pop(name))
        return rig

    yield build
    for node in nodes:
        end(node)


def complaint(rig, text):
    """Wait for a complaint on /diagnostics that contains the text."""
    rig.spin_until(
        lambda: any(text in message.status[0].message for message in rig.diagnostics),
        f'{text!r}; last: {rig.diagnostics[-1].status[0].message if rig.diagnostics else None}')
    return next(
        message.status[0] for message in rig.diagnostics if text in message.status[0].message)


def test_a_topic_without_publisher_is_named(silent, capfd):
    status = complaint(
        silent(publish=('left_image', 'right_image', 'left_info')),
        '/left/image_rect has a publisher but no message has come')
    assert status.level == b'\x02'
    assert 'no output for 0.5 s: /left/image_rect has a publisher' in capfd.readouterr().err


def test_no_publisher_at_all(silent):
    complaint(silent(publish=()), (
        '/left/image_rect has no publisher: start the camera driver or remap left/image_rect'))


@pytest.mark.parametrize(('rectify', 'there', 'way_out'), [
    (False, 'image_raw', 'true'), (True, 'image_rect', 'false')])
def test_images_of_the_other_kind_are_named(silent, rectify, there, way_out):
    rig = silent(publish=(), input__rectify=rectify)
    rig.tester.create_publisher(Image, f'left/{there}', 1)
    complaint(rig, f', or set input.rectify to {way_out}: /left/{there} has one')


def test_no_camera_info(silent):
    rig = silent(publish=('left_image', 'right_image'))
    rig.spin_until(
        lambda: all(entry.get_subscription_count() for entry in rig.publishers.values()),
        'connections')
    messages = rig.messages(shifted_frame(12))
    for name in ('left_image', 'right_image'):
        rig.publishers[name].publish(messages[name])
    complaint(rig, '/left/camera_info has no publisher')


def test_a_qos_mismatch(silent):
    rig = silent(
        publish=(), reliability=ReliabilityPolicy.BEST_EFFORT, input__reliability='reliable')
    rig.tester.create_publisher(
        Image, 'left/image_rect', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    status = complaint(rig, 'QoS of /left/image_rect does not match')
    assert status.message.endswith('set input.reliability to best_effort')


COMPRESSED_CAMERA = """
import rclpy
from sensor_msgs.msg import CompressedImage
rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(CompressedImage, 'left/image_rect', 1)
rclpy.spin(node)
"""


def test_a_topic_of_another_type(silent):
    rig = silent(publish=())
    # one process cannot have both types on a topic
    camera = subprocess.Popen([sys.executable, '-c', COMPRESSED_CAMERA])
    try:
        complaint(rig, '/left/image_rect is sensor_msgs/msg/CompressedImage, this node wants '
                       'sensor_msgs/msg/Image: check the remapping and input.transport')
    finally:
        camera.kill()
        camera.wait()


def test_stamps_too_far_apart(silent):
    rig = silent()
    rig.wait_until_connected()
    late = fill(Image(header=make_header(SECOND + 35_000_000)),
                image_fields(shifted_frame(12).right, 'rgb8'))
    rig.send(SECOND, right_image=late)
    complaint(rig, (
        'stamps are too far apart: the newest of right/image_rect is 35.0 ms after the newest '
        'of left/image_rect; synchronise the cameras, or set input.synchronization to'))


@pytest.mark.parametrize(('side', 'field', 'index', 'value', 'text'), [
    ('left', 'k', 0, 0.0, 'K[0] of the left camera_info must be the focal length, got 0'),
    ('right', 'p', 3, 0.0, 'P[3] of the right camera_info must be < 0, P[3] of the left one '
     '(by fx * baseline), got 0: calibrate the cameras as a stereo pair'),
    ('right', 'p', 3, 45.0, 'got 45: swap the left and right topics'),
])
def test_a_calibration_that_cannot_be(silent, side, field, index, value, text):
    rig = silent()
    rig.wait_until_connected()
    info = rig.messages(shifted_frame(12))[f'{side}_info']
    getattr(info, field)[index] = value
    info.header = make_header(SECOND)
    assert isinstance(info, CameraInfo)
    rig.send(SECOND, **{f'{side}_info': info})
    complaint(rig, text)


def test_images_of_another_size(silent):
    rig = silent()
    rig.wait_until_connected()
    narrow = fill(Image(header=make_header(SECOND)),
                  image_fields(shifted_frame(12).right[:, 8:], 'rgb8'))
    rig.send(SECOND, right_image=narrow)
    complaint(rig, 'right image must be (96, 160, 3) uint8 as camera_info says')


def test_nobody_subscribes(silent):
    rig = silent(wanted=())
    rig.wait_until_connected()
    rig.send(SECOND)
    complaint(rig, 'nobody subscribes to a result')


def test_disabled(silent):
    rig = silent()
    assert rig.enable(False).message == 'disabled: pairs are dropped'
    complaint(rig, 'disabled by the ~/enable service')


def test_an_inference_that_does_not_end(silent):
    rig = silent()
    rig.wait_until_connected()
    engine = hold(rig)
    rig.send(SECOND)
    complaint(rig, 'one pair has been in work for')
    engine.released.set()


def test_nothing_is_complained_about_while_results_come(silent):
    rig = silent()
    rig.wait_until_connected()
    for number in range(1, 16):
        rig.send(number * SECOND)
        rig.spin_until_processed(number)
        before = len(rig.diagnostics)
        rig.spin_until(lambda before=before: len(rig.diagnostics) > before, 'diagnostics')
    late = [message.status[0] for message in rig.diagnostics[-5:]]
    assert {status.message for status in late} == {
        'UNTRAINED: random weights, labels mean nothing'}
    values = {entry.key: entry.value for entry in late[-1].values}
    assert values['pairs_dropped'] == '0'
    assert int(values['pairs_processed']) >= 14
    assert float(values['latency_p50_ms']) > 0
    assert {key for key in values if key.startswith('stage.')} == {
        'stage.wait_ms', 'stage.messages_in_ms', 'stage.disparity_ms', 'stage.network_ms',
        'stage.decode_ms', 'stage.messages_out_ms'}
