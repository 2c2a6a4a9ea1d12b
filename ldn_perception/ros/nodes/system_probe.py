# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Probe that observes a running system for some seconds and writes a JSON file."""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
import os
from pathlib import Path
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
import numpy as np
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.task import Future
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from stereo_msgs.msg import DisparityImage

from ldn_perception.config import options
from ldn_perception.data.messages import frame_from_messages, image_from_message, stamp_ns
from ldn_perception.doctor import observations as seen
from ldn_perception.doctor.topic_checks import (
    COMPRESSED_IMAGE,
    IMAGE,
    INPUT_TYPES,
    CameraNames,
    WantedTopic,
    absolute,
    find_inputs,
)
from ldn_perception.errors import LdnPerceptionError
from ldn_perception.ros.nodes.node_setup import run_tool
from ldn_perception.ros.nodes.stereo_input import type_name
from ldn_perception.stereo.rectification import Rectifier, measure_epipolar_residual

_DISCOVERY_S = 5.0  # usually below 1 s, sometimes nearly 4 s
_ANSWER_S = 15.0
_REPEAT_S = 3.0  # discovery may lose the first call without an error
_POLL_S = 0.05
_KEPT_IMAGES = 8
_ENDLESS_NS = 1 << 62
_MESSAGE_TYPES = {
    type_name(kind): kind for kind in (Image, CompressedImage, CameraInfo, DisparityImage)}
_RESULT_PACKAGES = ('sensor_msgs', 'stereo_msgs', 'nav_msgs')
_LISTENING = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass
class _Heard:
    """Messages received on an input."""

    wanted: WantedTopic
    stamps_ns: list[int] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    received_ns: list[int] = field(default_factory=list)
    newest: deque[Any] = field(default_factory=lambda: deque(maxlen=_KEPT_IMAGES))

    def take(self, message: Any, info: dict[str, Any]) -> None:
        """Record a message."""
        self.stamps_ns.append(stamp_ns(message.header))
        self.sent_ns.append(int(info['source_timestamp']))
        self.received_ns.append(int(info['received_timestamp']) or time.time_ns())
        self.newest.append(message)


class _Question:
    """Service call that is repeated until it is answered."""

    def __init__(self, client: Client, request: Any) -> None:
        self._client = client
        self._request = request
        self._futures: list[Future] = []
        self._asked_s = -_REPEAT_S

    def answer(self) -> Any:
        """Call the service if it is due; return the answer, or None if there is none yet."""
        now = time.monotonic()
        if now - self._asked_s >= _REPEAT_S and self._client.service_is_ready():
            self._asked_s = now
            self._futures.append(self._client.call_async(self._request))
        return next((future.result() for future in self._futures if future.done()), None)


class SystemProbe(Node):
    """Node that inspects the graph, queries the perception node and subscribes to its inputs.

    It never subscribes to results: they are computed only for subscribers, so the observer would
    change the load.

    Args:
        names: Camera names given by the user.
        node_name: Name of the node, absolute or relative to the namespace of the cameras.
    """

    def __init__(self, names: CameraNames, node_name: str) -> None:
        super().__init__(f'system_probe_{os.getpid()}')
        self._names = names
        self._wanted_node = absolute(node_name, names.namespace)
        self._statuses: list[seen.Status] = []
        self._clock_ns: list[int] = []
        self._clock_received_ns: list[int] = []
        self._heard: list[_Heard] = []
        self._node_executor = SingleThreadedExecutor()
        self._node_executor.add_node(self)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._note_status, 50)
        self.create_subscription(Clock, '/clock', self._note_clock, _LISTENING)

    def observe(self, seconds: float) -> seen.Observations:
        """Find the system, observe it and describe it.

        Args:
            seconds: Time to listen [s].
        """
        parameters, state = self._ask_node()
        published = {
            name for name, _ in self.get_topic_names_and_types() if self.count_publishers(name)}
        wanted = find_inputs(self._names, parameters, published, self._node_inputs())
        for topic in wanted:
            self._listen(topic)
        self._spin_until(lambda: False, seconds)
        rectifies = bool(parameters.get(
            'input.rectify', '/image_raw' in wanted[0].topic))
        return seen.Observations(
            seconds=seconds,
            middleware=rclpy.get_rmw_implementation_identifier(),
            message_problem=_message_problem(),
            node_name=self._wanted_node,
            node=self._describe_node(parameters, state),
            inputs=tuple(map(self._describe_input, self._heard)),
            rectifies=rectifies,
            pair=_look_at_pair(self._heard, rectifies),
            image_topics=self._image_topics(),
            clock_publishers=tuple(
                entry.node for entry in self._publishers_of('/clock')),
            clock_ns=tuple(self._clock_ns),
            clock_received_ns=tuple(self._clock_received_ns),
        )

    def destroy_node(self) -> None:
        """Leave the network; a remaining executor would keep its participant alive."""
        self._node_executor.shutdown()
        super().destroy_node()

    def _spin_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not condition() and time.monotonic() < deadline:
            self._node_executor.spin_once(timeout_sec=_POLL_S)

    def _ask_node(self) -> tuple[dict[str, Any], str]:
        """Parameters and lifecycle state of the node; empty if it does not answer."""
        self._spin_until(self._finds_everything, _DISCOVERY_S)
        if not self._count_node():
            return {}, ''
        names = [*(option.name for option in options()), 'use_sim_time']
        parameters = _Question(
            self.create_client(GetParameters, f'{self._wanted_node}/get_parameters'),
            GetParameters.Request(names=names))
        state = _Question(
            self.create_client(GetState, f'{self._wanted_node}/get_state'), GetState.Request())
        self._spin_until(
            lambda: all([parameters.answer() is not None, state.answer() is not None]), _ANSWER_S)
        given, stage = parameters.answer(), state.answer()
        values = {} if given is None else {
            name: parameter_value_to_python(value)
            for name, value in zip(names, given.values, strict=False)}
        return (
            {name: value for name, value in values.items() if value is not None},
            '' if stage is None else stage.current_state.label)

    def _finds_everything(self) -> bool:
        sides = (self._names.left or 'left', self._names.right or 'right')
        infos = (absolute(f'{side}/camera_info', self._names.namespace) for side in sides)
        return bool(self._count_node()) and all(map(self.count_publishers, infos))

    def _count_node(self) -> int:
        return [
            _full_name(name, namespace)
            for name, namespace in self.get_node_names_and_namespaces()].count(self._wanted_node)

    def _listen(self, topic: WantedTopic) -> None:
        heard = _Heard(topic)
        self._heard.append(heard)

        # rclpy reads the signature to decide if the callback takes the second argument.
        def take(message: Any, info: dict[str, Any]) -> None:
            heard.take(message, info)

        callback: Callable[..., None] = take
        self.create_subscription(
            _MESSAGE_TYPES[topic.message_type], topic.topic, callback, _LISTENING)

    def _note_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f'{self._wanted_node.lstrip("/")}: pipeline':
                self._statuses.append(seen.Status(
                    time.time_ns(), status.level[0], status.message,
                    {entry.key: entry.value for entry in status.values}))

    def _note_clock(self, message: Clock) -> None:
        self._clock_ns.append(message.clock.sec * 10**9 + message.clock.nanosec)
        self._clock_received_ns.append(time.time_ns())

    def _node_inputs(self) -> dict[str, str]:
        """Images, calibrations and disparities that the node subscribes to, with their types."""
        return {
            name: types[0]
            for name, types in self._of_node(self.get_subscriber_names_and_types_by_node)
            if types[0] in INPUT_TYPES}

    def _of_node(self, look: Callable[[str, str], list[tuple[str, list[str]]]]) -> Any:
        """Query the graph for the node, which may be gone or not fully discovered yet."""
        if not self._count_node():
            return []
        namespace, _, name = self._wanted_node.rpartition('/')
        try:
            return look(name, namespace or '/')
        except RuntimeError:
            return []

    def _describe_node(self, parameters: dict[str, Any], state: str) -> Any:
        count = self._count_node()
        if not count:
            return None
        results = [
            name for name, types in self._of_node(self.get_publisher_names_and_types_by_node)
            if types[0].partition('/')[0] in _RESULT_PACKAGES]
        return seen.NodeObservation(
            name=self._wanted_node, num_of_that_name=count, state=state, parameters=parameters,
            inputs=self._node_inputs(),
            outputs=tuple(
                seen.OutputTopic(name, own, self._subscribers_of(name))
                for name in results for own in self._publishers_of(name)
                if own.node == self._wanted_node),
            statuses=tuple(self._statuses))

    def _describe_input(self, heard: _Heard) -> seen.InputTopic:
        topic = heard.wanted
        described = seen.InputTopic(
            topic.role, topic.topic, topic.message_type, self._publishers_of(topic.topic),
            self._subscribers_of(topic.topic), tuple(heard.stamps_ns), tuple(heard.sent_ns),
            tuple(heard.received_ns))
        if not heard.newest:
            return described
        message = heard.newest[-1]
        if isinstance(message, CameraInfo):
            return replace(described, info=_describe_info(message))
        width, height, encoding = _describe_image(message)
        return replace(described, width=width, height=height, encoding=encoding)

    def _image_topics(self) -> tuple[str, ...]:
        own = f'{self._wanted_node}/'
        return tuple(sorted(
            name for name, types in self.get_topic_names_and_types()
            if {IMAGE, COMPRESSED_IMAGE} & set(types) and not name.startswith(own)
            and self.count_publishers(name)))

    def _publishers_of(self, topic: str) -> tuple[seen.Endpoint, ...]:
        return tuple(map(_endpoint, self.get_publishers_info_by_topic(topic)))

    def _subscribers_of(self, topic: str) -> tuple[seen.Endpoint, ...]:
        endpoints = map(_endpoint, self.get_subscriptions_info_by_topic(topic))
        return tuple(
            entry for entry in endpoints if entry.node != self.get_fully_qualified_name())


def _full_name(name: str, namespace: str) -> str:
    return f'{namespace.rstrip("/")}/{name}'


def _endpoint(info: Any) -> seen.Endpoint:
    qos = info.qos_profile
    deadline_ns = qos.deadline.nanoseconds
    return seen.Endpoint(
        node=_full_name(info.node_name, info.node_namespace),
        message_type=info.topic_type,
        reliability=qos.reliability.name.lower(),
        durability=qos.durability.name.lower(),
        deadline_ns=0 if deadline_ns >= _ENDLESS_NS else deadline_ns,
    )


def _describe_info(message: CameraInfo) -> seen.CameraInfo:
    roi = message.roi
    return seen.CameraInfo(
        width=message.width,
        height=message.height,
        distortion_model=message.distortion_model,
        **{name: tuple(map(float, getattr(message, name))) for name in ('d', 'k', 'r', 'p')},
        binning_x=message.binning_x,
        binning_y=message.binning_y,
        roi=seen.Region(roi.x_offset, roi.y_offset, roi.width, roi.height, roi.do_rectify),
    )


def _describe_image(message: Any) -> tuple[int, int, str]:
    """Width and height [px] and encoding of an image; size 0 if it cannot be decoded."""
    if isinstance(message, DisparityImage):
        message = message.image
    if not isinstance(message, CompressedImage):
        return message.width, message.height, message.encoding
    try:
        height, width, _ = image_from_message(message).shape
    except LdnPerceptionError:
        return 0, 0, message.format
    return width, height, message.format


def _look_at_pair(heard: Sequence[_Heard], rectifies: bool) -> seen.PairObservation | None:
    """Convert the two images with the nearest stamps to a frame as the node does, and check it."""
    if not all(entry.newest for entry in heard):
        return None
    first, second = heard[0], heard[1]
    chosen = min(
        ((left, right) for left in first.newest for right in second.newest),
        key=lambda pair: abs(stamp_ns(pair[0].header) - stamp_ns(pair[1].header)))
    messages = {entry.wanted.role: entry.newest[-1] for entry in heard[2:]}
    messages.update({first.wanted.role: chosen[0], second.wanted.role: chosen[1]})
    try:
        frame = frame_from_messages(
            **{'right_image': None, **messages}, rectifier=Rectifier() if rectifies else None)
    except LdnPerceptionError as error:
        return seen.PairObservation(problem=str(error))
    residual = measure_epipolar_residual(frame)
    if residual is None:
        return seen.PairObservation()
    return seen.PairObservation(
        complaint=residual.complaint(rectifies), vertical_px=residual.vertical_px,
        num_matches=residual.num_matches)


def _message_problem() -> str:
    """Serialise and deserialise a message with arrays; return the problem, empty if none."""
    message = CameraInfo(k=np.arange(9.0), d=[0.5, 0.25])
    try:
        returned = deserialize_message(serialize_message(message), CameraInfo)
    except Exception as error:  # noqa: BLE001 - any error of an incompatible numpy is the finding
        return f'a CameraInfo cannot be packed and unpacked ({error})'
    if list(returned.k) != list(range(9)) or list(returned.d) != [0.5, 0.25]:
        return f'a CameraInfo comes back with k={list(returned.k)} and d={list(returned.d)}'
    return ''


def main(arguments: Sequence[str] | None = None) -> None:
    """Observe the system and write the observations as JSON."""
    parser = argparse.ArgumentParser('system_probe', description=__doc__)
    parser.add_argument('output', type=Path, help='JSON file to write')
    parser.add_argument('--namespace', default='', help='namespace of the node')
    parser.add_argument('--left', default='', help='namespace of the left camera')
    parser.add_argument('--right', default='', help='namespace of the right camera')
    parser.add_argument('--image', default='', help='name of the images in them')
    parser.add_argument('--node', default='stereo_seg_node', help='name of the node')
    parser.add_argument('--seconds', type=float, default=5.0, help='how long to listen [s]')
    options_, _ = parser.parse_known_args(arguments)

    def probe() -> None:
        names = CameraNames(options_.namespace, options_.left, options_.right, options_.image)
        observations = SystemProbe(names, options_.node).observe(options_.seconds)
        options_.output.write_text(observations.to_json())

    run_tool('system_probe', probe)


if __name__ == '__main__':
    main()
