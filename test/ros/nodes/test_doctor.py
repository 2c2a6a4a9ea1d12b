# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn doctor` before real cameras and the real node, over DDS."""

from contextlib import contextmanager
import json
import threading
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rig import end, make_header
from sensor_msgs.msg import CameraInfo, Image
from stereo_frames import shifted_frame

from ldn_perception.cli import doctor
from ldn_perception.cli.main import main
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.message_fields import camera_info_fields, image_fields
from ldn_perception.doctor.checkup import check_live, config_of_the_node
from ldn_perception.doctor.topic_checks import CameraNames
from ldn_perception.ros.nodes.outputs import fill
from ldn_perception.ros.nodes.stereo_seg_node import StereoSegNode
from ldn_perception.ros.nodes.system_probe import SystemProbe

PERIOD_S = 0.2  # slow, so that a machine under load keeps up
LISTEN_S = 3.0
LONG_S = 8.0
LAST_OF_THE_MACHINE = 'net.core.rmem_max'
ROLES = {
    'left_image': (Image, 'left/image_rect'), 'right_image': (Image, 'right/image_rect'),
    'left_info': (CameraInfo, 'left/camera_info'),
    'right_info': (CameraInfo, 'right/camera_info'),
}


class Cameras:
    """Sends a pair every now and then, from a thread of its own."""

    def __init__(self, roles, reliability, right_later_s, swapped, namespace):
        self.node = rclpy.create_node('cameras', namespace=namespace)
        qos = QoSProfile(depth=5, reliability=reliability)
        self.publishers = {
            role: self.node.create_publisher(*ROLES[role], qos) for role in roles}
        self._right_later_ns = int(right_later_s * 1e9)
        self._sides = ('right', 'left') if swapped else ('left', 'right')
        frame = shifted_frame(12)
        self._fields = {}
        for side, sent_as in zip(('left', 'right'), self._sides, strict=True):
            self._fields[f'{sent_as}_image'] = image_fields(getattr(frame, side), 'rgb8')
            self._fields[f'{sent_as}_info'] = camera_info_fields(frame.geometry, side)
        self.node.create_timer(PERIOD_S, self.send)

    def send(self):
        now_ns = self.node.get_clock().now().nanoseconds
        for role, publisher in self.publishers.items():
            later_ns = self._right_later_ns if role.startswith('right') else 0
            message = fill(ROLES[role][0](), self._fields[role])
            message.header = make_header(now_ns + later_ns)
            publisher.publish(message)


@contextmanager
def spinning(*nodes):
    """Spin nodes in a thread; they stay the caller's."""
    executor = SingleThreadedExecutor()
    for node in nodes:
        executor.add_node(node)
    running = True

    def spin():
        while running:
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        running = False
        thread.join()
        executor.shutdown()


@contextmanager
def cameras(roles=tuple(ROLES), reliability=ReliabilityPolicy.RELIABLE, right_later_s=0.0,
            swapped=False, namespace='', beside=()):
    sender = Cameras(roles, reliability, right_later_s, swapped, namespace)
    try:
        with spinning(sender.node, *beside):
            yield sender
    finally:
        sender.node.destroy_node()


def start_node(namespace, **values):
    """An active node; its namespace is that of every node of the process until its end.

    Of its own, because nodes of earlier tests of the process are not forgotten at once.
    """
    given = {'model.name': 'ldn_small', 'inference.device': 'cpu', 'inference.num_threads': 1,
             **values}
    parameters = (part for name, value in given.items() for part in ('-p', f'{name}:={value}'))
    rclpy.init(args=['--ros-args', '-r', f'__ns:=/{namespace}', *parameters])
    node = StereoSegNode()
    assert node.start()
    return node


def findings_of_the_probe(namespace):
    """What the live checks say, by name."""
    probe = SystemProbe(CameraNames(namespace), 'stereo_seg_node')
    try:
        observations = probe.observe(LISTEN_S)
    finally:
        probe.destroy_node()
    config = config_of_the_node(observations) or PerceptionConfig()
    return {finding.check: finding for finding in check_live(observations, config)}


def errors(findings):
    return {name: finding.found for name, finding in findings.items()
            if finding.state.value == 'error'}


@pytest.mark.timeout(900)
def test_a_healthy_system_has_no_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(doctor, '_START_AND_END_S', 600.0)
    # a machine under load is no fault of the system
    node = start_node('healthy', **{'monitoring.silence_s': 60.0})
    try:
        listener = rclpy.create_node('planner')
        listener.create_subscription(Image, 'stereo_seg_node/labels', lambda message: None, 1)
        with cameras(beside=(node, listener)):
            deadline = time.monotonic() + 60
            while node._statistics.snapshot().processed < 2:
                assert time.monotonic() < deadline, 'waited 60 s for results'
                time.sleep(0.1)
            report = tmp_path / 'report.json'
            with pytest.raises(SystemExit) as ended:
                main(['doctor', '--namespace', 'healthy', '--seconds', str(LONG_S),
                      '--output', str(report)])
        listener.destroy_node()
    finally:
        end(node)
    told = json.loads(report.read_text())
    names = [finding['check'] for finding in told['findings']]
    live = {finding['check']: finding for finding in told['findings'][
        names.index(LAST_OF_THE_MACHINE) + 1:]}
    assert not [finding for finding in live.values() if finding['state'] == 'error']
    assert ended.value.code == int(any(
        finding['state'] == 'error' for finding in told['findings']))
    assert live['right image']['found'].startswith(
        '/healthy/right/image_rect of /healthy/cameras: ')
    assert live['stamps of the pair']['found'].startswith('equal in ')
    assert live['calibration']['found'] == '160x96, fx 90.0 px, baseline 0.500 m'
    assert live['life cycle']['found'] == 'active'
    assert 'model.name=ldn_small' in live['parameters']['found']
    assert live['outputs']['found'] == (
        '/healthy/stereo_seg_node/labels (/healthy/planner)')
    assert live['diagnostics']['found'].startswith('UNTRAINED')
    assert ' of 5.' in live['throughput']['found'] or ' of 4.' in live['throughput']['found']
    assert told['observations']['node']['parameters']['use_sim_time'] is False
    assert told['machine']['packages']['torch']
    assert 'life cycle' in capsys.readouterr().out


@pytest.mark.parametrize(('broken', 'check', 'text', 'advice'), [
    ({'right_later_s': 0.02}, 'stamps of the pair',
     '/broken/right/image_rect is 20.0 ms after /broken/left/image_rect, nine of ten within '
     '20.0 ms',
     'synchronise the cameras by a trigger, or set input.synchronization to approximate and '
     'input.slop_s to 0.031'),
    ({'roles': ('left_image', 'right_image', 'left_info')}, 'right camera_info',
     'nobody publishes /broken/right/camera_info',
     'start the camera driver, or name its topics with --left-camera, --right-camera and '
     '--image-name'),
    ({'swapped': True}, 'calibration',
     'the cameras are swapped: by P, that of /broken/right/camera_info stands to the left of '
     'that of /broken/left/camera_info', 'swap the left and right topics, images and camera_info'),
], ids=['shifted stamps', 'no camera_info', 'swapped'])
def test_what_is_broken_is_named_alone(ros, broken, check, text, advice):
    with cameras(**broken, namespace='broken'):
        findings = findings_of_the_probe('broken')
    assert errors(findings) == {check: text}
    assert findings[check].advice == advice


def test_a_qos_mismatch_with_the_node_is_named():
    node = start_node('demanding', **{'input.reliability': 'reliable'})
    try:
        with cameras(reliability=ReliabilityPolicy.BEST_EFFORT, beside=(node,)):
            findings = findings_of_the_probe('demanding')
    finally:
        end(node)
    mismatch = 'best effort offered, reliable asked for'
    found = errors(findings)
    assert {name: text.rpartition(': ')[2] for name, text in found.items()
            if text.startswith('QoS')} == dict.fromkeys(
        ('left image', 'right image', 'left camera_info', 'right camera_info'), mismatch)
    assert findings['left image'].advice == (
        'set input.reliability to best_effort, and take qos_overrides away')
    assert findings['inputs of the node'].state.value == 'ok'
