# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes, as a launch file or a service manager runs them."""

import json
import os
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
import pytest
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from stereo_frames import shifted_frame

from ldn_perception.data.bag_messages import RawBag, read_stamp
from ldn_perception.data.bag_reader import RAW_TOPICS
from ldn_perception.data.bag_writers import RawBagWriter, StereoBagWriter
from ldn_perception.data.message_fields import camera_info_fields, image_fields
from ldn_perception.ros.nodes.bag_recorder import BagRecorder
from ldn_perception.ros.nodes.outputs import fill

LIMIT_S = 60.0
END_S = 10.0  # an end, not a measurement: the benchmark measures


def start(module, *arguments):
    return subprocess.Popen(
        [sys.executable, '-m', f'ldn_perception.ros.nodes.{module}', *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def node_arguments(**values):
    given = {'model.name': 'ldn_small', 'inference.device': 'cpu', **values}
    return ['--ros-args', *(part for name, value in given.items()
                            for part in ('-p', f'{name}:={value}'))]


def spin_until(node, condition, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f'waited {LIMIT_S} s for {what}'
        rclpy.spin_once(node, timeout_sec=0.05)


# rclpy handles both signals alike: each moment and each signal once
@pytest.mark.parametrize(('moment', 'number'), [
    ('idle', signal.SIGTERM), ('in an inference', signal.SIGINT)])
def test_a_signal_ends_the_node_with_success_and_without_a_traceback(tester, moment, number):
    # the big network takes seconds a pair on a CPU, so the signal meets it at work
    model = 'ldn_small' if moment == 'idle' else 'ldn121'
    process = start('stereo_seg_node', *node_arguments(**{
        'model.name': model, 'monitoring.diagnostics_period_s': 0.1}))
    try:
        received = []
        tester.create_subscription(DiagnosticArray, '/diagnostics', received.append, 10)
        spin_until(tester, lambda: received, 'the node')
        if moment != 'idle':
            keep_busy(tester, received)
        process.send_signal(number)
        _, log = process.communicate(timeout=END_S)
    finally:
        process.kill()
    assert process.returncode == 0, log
    assert 'Traceback' not in log
    assert 'terminate called' not in log


def keep_busy(tester, diagnostics):
    """Send large pairs until the node has one in work."""
    frame = shifted_frame(12, width=1242, height=374)
    tester.create_subscription(
        Image, '/stereo_seg_node/labels', lambda message: None, QoSProfile(depth=1))
    publishers = {
        side: (tester.create_publisher(Image, f'{side}/image_rect', 1),
               tester.create_publisher(CameraInfo, f'{side}/camera_info', 1))
        for side in ('left', 'right')
    }
    spin_until(tester, lambda: all(
        entry.get_subscription_count() for pair in publishers.values() for entry in pair),
        'connections')

    def send():
        stamp = tester.get_clock().now().to_msg()
        for side, (image, info) in publishers.items():
            for publisher, message in (
                (image, fill(Image(), image_fields(getattr(frame, side), 'rgb8'))),
                (info, fill(CameraInfo(), camera_info_fields(frame.geometry, side))),
            ):
                message.header.stamp = stamp
                publisher.publish(message)

    def received():
        return {entry.key: entry.value for entry in diagnostics[-1].status[0].values}

    tester.create_timer(0.1, send)
    spin_until(tester, lambda: int(received()['pairs_received']) > 3, 'pairs')


def test_a_node_that_cannot_start_ends_with_code_1_and_a_reason():
    process = start('stereo_seg_node', *node_arguments(**{'model.name': 'ldn'}))
    _, log = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert 'cannot configure: model.name must be one of' in log
    assert 'Traceback' not in log


@pytest.fixture
def drive(tmp_path):
    with StereoBagWriter(tmp_path / 'drive') as writer:
        for number in range(3):
            writer.write(shifted_frame(12, stamp_ns=(5 + number) * 10**8))
    return tmp_path / 'drive'


def test_the_player_sends_every_pair_with_the_present_time(tester, drive, tmp_path):
    left, infos = [], []
    tester.create_subscription(Image, 'left/image_rect', left.append, 10)
    tester.create_subscription(Image, 'right/image_rect', lambda message: None, 10)
    tester.create_subscription(CameraInfo, 'left/camera_info', infos.append, 10)
    tester.create_subscription(CameraInfo, 'right/camera_info', lambda message: None, 10)
    before = time.time_ns()
    process = start('bag_player', drive, '--report', tmp_path / 'played.json')
    spin_until(tester, lambda: len(left) == 3 and len(infos) == 3, 'three pairs')
    assert process.wait(LIMIT_S) == 0
    played = json.loads((tmp_path / 'played.json').read_text())
    assert list(played) == ['500000000', '600000000', '700000000']
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in left]
    assert stamps == list(played.values())
    assert before < stamps[0] < stamps[1] < stamps[2] < time.time_ns()
    assert [message.header.stamp for message in infos] == [
        message.header.stamp for message in left]
    assert bytes(left[0].data) == shifted_frame(12).left.tobytes()
    assert json.loads(process.stdout.read().splitlines()[-1]) == {'sent': 3, 'of': 3}


def test_the_player_sends_raw_images_under_their_own_name(tester, tmp_path):
    with StereoBagWriter(tmp_path / 'drive', RAW_TOPICS) as writer:
        writer.write(shifted_frame(12))
    left = []
    tester.create_subscription(Image, 'left/image_raw', left.append, 10)
    tester.create_subscription(Image, 'right/image_raw', lambda message: None, 10)
    for side in ('left', 'right'):
        tester.create_subscription(CameraInfo, f'{side}/camera_info', lambda message: None, 10)
    process = start('bag_player', tmp_path / 'drive', '--raw')
    spin_until(tester, lambda: left, 'a pair')
    assert process.wait(LIMIT_S) == 0
    assert bytes(left[0].data) == shifted_frame(12).left.tobytes()


def test_the_player_says_who_does_not_listen(drive, play):
    code, log = play(drive, '--wait-s', 0.2)
    assert code == 1
    assert 'topics to play must be subscribed within 0.2 s, got no subscriber on /left/' in log


def test_the_player_says_what_is_wrong_with_a_bag(tmp_path, play):
    code, log = play(tmp_path / 'none')
    assert code == 1
    assert log.startswith('bag_player: bag ')


def test_the_recorder_keeps_what_was_published_and_ends_well_when_told(tester, tmp_path):
    process = start('bag_recorder', tmp_path / 'results', 'labels', 'depth')
    try:
        publisher = tester.create_publisher(Image, '/stereo_seg_node/labels', 10)
        message = fill(Image(), image_fields(shifted_frame(12).left[..., 0], 'mono8'))
        deadline = time.monotonic() + LIMIT_S
        while json.loads(process.stdout.readline())['/stereo_seg_node/labels'] < 3:
            assert time.monotonic() < deadline
            message.header.stamp.sec += 1
            publisher.publish(message)
        process.send_signal(signal.SIGINT)
        assert process.wait(END_S) == 0
    finally:
        process.kill()
    bag = RawBag(tmp_path / 'results')
    stamps = [read_stamp(message.cdr) for message in bag.messages()]
    assert bag.message_counts == {
        '/stereo_seg_node/labels': len(stamps), '/depth': 0, '/diagnostics': 0}
    assert stamps == [stamps[0] + number * 10**9 for number in range(len(stamps))]
    published = [message.receive_ns for message in bag.messages()]
    assert abs(published[0] - time.time_ns()) < LIMIT_S * 10**9


def test_the_recorder_knows_the_results_by_name(ros, tmp_path):
    with (
        RawBagWriter(tmp_path / 'results') as writer,
        pytest.raises(Exception, match=r'results to record must be among labels, .* got label:'),
    ):
        BagRecorder(writer, ['label'])


def test_two_test_processes_do_not_hear_each_other():
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 1 <= int(os.environ['ROS_DOMAIN_ID']) <= 100
