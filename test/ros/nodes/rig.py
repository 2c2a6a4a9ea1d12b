# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A node under test, the cameras before it and the consumer behind it, over real DDS."""

from contextlib import contextmanager
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import DescribeParameters, SetParameters
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from stereo_frames import shifted_frame

from ldn_perception.data.message_fields import camera_info_fields, image_fields
from ldn_perception.data.messages import pixels_of
from ldn_perception.ros.nodes.outputs import (
    DISPARITY_CONFIDENCE,
    FREE_ROAD,
    FREE_ROAD_GRID,
    OUTPUTS,
    SCALE_SWITCHES,
    fill,
)
from ldn_perception.ros.nodes.stereo_seg_node import StereoSegNode

LIMIT_S = 30.0
REPEAT_S = 3.0
TYPES = {
    output.topic.removeprefix('~/'): output
    for output in (
        *OUTPUTS, SCALE_SWITCHES, DISPARITY_CONFIDENCE, FREE_ROAD, FREE_ROAD_GRID)}
NAME = '/stereo_seg_node'
TESTERS = []


def build_node(**values):
    """A node with parameters, not yet configured."""
    given = {
        'model.name': 'ldn_small', 'inference.device': 'cpu', 'stereo.max_disparity': 64,
        **{name.replace('__', '.'): value for name, value in values.items()},
    }
    arguments = ['--ros-args']
    for name, value in given.items():
        text = str(value).lower() if isinstance(value, bool) else value
        arguments += ['-p', f"{name}:={text if text != '' else chr(39) * 2}"]
    rclpy.init(args=arguments)
    return StereoSegNode()


def make_header(stamp_ns, frame_id='left_optical'):
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
    return header


def plane(message, dtype):
    return pixels_of(message, 1, dtype)[..., 0]


class Rig:
    """Publishes pairs to a node and collects what it publishes."""

    def __init__(self, node, wanted, reliability=ReliabilityPolicy.RELIABLE):
        self.node = node
        self.tester = rclpy.create_node('tester')
        TESTERS.append(self.tester)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(node)
        self.executor.add_node(self.tester)
        qos = QoSProfile(depth=10, reliability=reliability)
        self.publishers = {
            'left_image': self.tester.create_publisher(Image, 'left/image_rect', qos),
            'right_image': self.tester.create_publisher(Image, 'right/image_rect', qos),
            'left_info': self.tester.create_publisher(CameraInfo, 'left/camera_info', qos),
            'right_info': self.tester.create_publisher(CameraInfo, 'right/camera_info', qos),
        }
        self.received = {name: [] for name in wanted}
        for name in wanted:
            self.tester.create_subscription(
                TYPES[name].message_type, TYPES[name].topic.replace('~', NAME),
                self.received[name].append, 10)
        self.diagnostics = []
        self.tester.create_subscription(
            DiagnosticArray, '/diagnostics', self.diagnostics.append, 10)

    def spin_until(self, condition, what):
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, f'waited {LIMIT_S} s for {what}'
            self.executor.spin_once(timeout_sec=0.05)

    def wait_until_connected(self):
        wanted = [
            publisher for output, publisher in self.node._outputs._publishers.items()
            if output.topic.removeprefix('~/') in self.received
        ]
        self.spin_until(
            lambda: all(entry.get_subscription_count() for entry in self.publishers.values())
            and all(entry.get_subscription_count() for entry in wanted), 'connections')

    def messages(self, frame):
        header = make_header(frame.stamp_ns, frame.frame_id)
        images = {'left': frame.left, 'right': frame.right}
        messages = {}
        for side, image in images.items():
            messages[f'{side}_image'] = fill(Image(header=header), image_fields(image, 'rgb8'))
            messages[f'{side}_info'] = fill(
                CameraInfo(header=header), camera_info_fields(frame.geometry, side))
        return messages

    def send(self, stamp_ns, **changed):
        """Publish a pair, some of its messages exchanged or (None) left out."""
        messages = {**self.messages(shifted_frame(12, stamp_ns=stamp_ns)), **changed}
        for name, message in messages.items():
            if message is not None:
                self.publishers[name].publish(message)

    def snapshot(self):
        return self.node._statistics.snapshot()

    def spin_until_processed(self, count):
        self.spin_until(lambda: self.snapshot().processed >= count, f'{count} results')
        for name, messages in self.received.items():
            self.spin_until(lambda messages=messages: len(messages) >= count, name)

    def spin_until_dropped(self, reason, count=1):
        self.spin_until(
            lambda: self.snapshot().dropped.get(reason, 0) >= count, f'{count} x {reason}')

    def call(self, service_type, service, request):
        client = self.tester.create_client(service_type, f'{NAME}/{service}')
        self.spin_until(client.service_is_ready, service)
        futures = []

        def answered():
            # discovery may lose the first call, and nothing tells
            if time.monotonic() - started >= REPEAT_S * len(futures):
                futures.append(client.call_async(request))
            return any(future.done() for future in futures)

        started = time.monotonic()
        self.spin_until(answered, f'an answer of {service}')
        return next(future.result() for future in futures if future.done())

    def set_parameter(self, name, value):
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()])
        return self.call(SetParameters, 'set_parameters', request).results[0]

    def describe_parameter(self, name):
        request = DescribeParameters.Request(names=[name])
        return self.call(DescribeParameters, 'describe_parameters', request).descriptors[0]

    def enable(self, value):
        return self.call(SetBool, 'enable', SetBool.Request(data=value))


class HeldEngine:
    """The node's own engine, which starts only when it is let."""

    def __init__(self, engine):
        self._engine = engine
        self.device, self.uses_disparity = engine.device, engine.uses_disparity
        self.description = engine.description
        self.entered = threading.Event()
        self.released = threading.Event()

    def run(self, image, pixels_per_metre=None):
        self.entered.set()
        assert self.released.wait(LIMIT_S)
        return self._engine.run(image, pixels_per_metre)


@contextmanager
def running(wanted=('labels',), **values):
    """A configured, active and connected node with its rig."""
    node = build_node(**values)
    try:
        assert node.start()
        rig = Rig(node, wanted)
        rig.wait_until_connected()
        yield rig
    finally:
        end(node)


def end(node):
    """End a node as its process does."""
    node._end_work(LIMIT_S)
    node.end()
    node.destroy_node()  # its topics would outlive the context
    for tester in TESTERS:
        tester.destroy_node()
    TESTERS.clear()
    rclpy.try_shutdown()


def hold(rig):
    """Make the node's engine wait."""
    pipeline = rig.node._perception.pipeline
    pipeline._engine = HeldEngine(pipeline._engine)
    return pipeline._engine
