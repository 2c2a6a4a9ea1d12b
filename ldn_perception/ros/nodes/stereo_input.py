# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions to a stereo pair and their synchronisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from stereo_msgs.msg import DisparityImage

from ldn_perception.config import InputConfig
from ldn_perception.data.messages import frame_from_messages, stamp_ns
from ldn_perception.data.stamp_joining import OnSet, StampSynchronizer, Synchronizer
from ldn_perception.stereo.rectification import Rectifier
from ldn_perception.types import StereoFrame

try:
    import message_filters
except ImportError:
    message_filters = None

IMAGE_NAMES = {False: 'image_rect', True: 'image_raw'}
"""Last part of the image topics; the key is True if the node rectifies."""


@dataclass
class _Topic:
    """One input topic and its reception state."""

    role: str
    topic: str
    message_type: type
    subscription: Any = None
    count: int = 0
    last_stamp_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StereoMessages:
    """A synchronised set of messages as received.

    Attributes:
        by_role: Message of each input, with the argument names of frame_from_messages.
        received_s: Steady-clock time at which the set was complete [s].
        rectifier: Rectifier for raw images; None if the images are rectified.
    """

    by_role: dict[str, Any]
    received_s: float
    rectifier: Rectifier | None = None

    def to_frame(self) -> StereoFrame:
        """Convert the set to a frame.

        Raises:
            MessageError: A message is invalid.
            CalibrationError: Raw images cannot be rectified.
            FrameError: The messages do not fit together.
        """
        return frame_from_messages(
            **{'right_image': None, **self.by_role}, rectifier=self.rectifier)


class StereoInput:
    """Subscriptions to the inputs of the pipeline, with pairing of their messages.

    Args:
        node: Owner of the subscriptions.
        config: Transport, rectification, QoS and synchronisation.
        matcher: Value of stereo.matcher; 'external' subscribes to a disparity topic instead of
            the right image.
        on_pair: Callback on the executor's thread for each set; must return quickly.
        on_jump: Callback that receives the topic whose stamps have jumped back.
    """

    def __init__(
        self, node: Node, config: InputConfig, matcher: str,
        on_pair: Callable[[StereoMessages], None], on_jump: Callable[[str], None],
    ) -> None:
        self._node = node
        self._on_pair = on_pair
        self._on_jump = on_jump
        self._rectifier = Rectifier() if config.rectify else None
        self.topics = _topics(config, matcher)
        slop_s = config.slop_s if config.synchronization == 'approximate' else 0.0
        self._synchronizer = build_synchronizer(
            len(self.topics), config.synchronization_depth, slop_s, self._hand_over)
        qos = QoSProfile(
            depth=config.queue_depth,
            reliability=ReliabilityPolicy[config.reliability.upper()])
        for index, topic in enumerate(self.topics):
            topic.subscription = node.create_subscription(
                topic.message_type, topic.topic,
                partial(self._receive, index), qos,
                qos_overriding_options=QoSOverridingOptions.with_default_policies())

    def close(self) -> None:
        """Destroy the subscriptions."""
        for topic in self.topics:
            self._node.destroy_subscription(topic.subscription)

    def _receive(self, index: int, message: Any) -> None:
        topic = self.topics[index]
        stamp = stamp_ns(message.header)
        if topic.last_stamp_ns is not None and stamp < topic.last_stamp_ns:
            # For example a looping bag: waiting messages would never find their partner.
            self._synchronizer.reset()
            for other in self.topics:
                other.last_stamp_ns = None
            self._on_jump(topic.topic)
        topic.count += 1
        topic.last_stamp_ns = stamp
        self._synchronizer.add(index, message)

    def _hand_over(self, messages: tuple[Any, ...]) -> None:
        roles = (topic.role for topic in self.topics)
        self._on_pair(StereoMessages(
            dict(zip(roles, messages, strict=True)), time.perf_counter(), self._rectifier))

    def explain_silence(self) -> str | None:
        """Explain why no pair arrives; None if the newest stamps of all inputs agree."""
        for topic in self.topics:
            if not topic.count:
                return self._explain_topic(topic)
        stamps = {topic.topic: topic.last_stamp_ns or 0 for topic in self.topics}
        spread_ms = (max(stamps.values()) - min(stamps.values())) / 1e6
        earliest, latest = min(stamps, key=stamps.__getitem__), max(stamps, key=stamps.__getitem__)
        if spread_ms == 0:
            return None
        return (
            f'stamps are too far apart: the newest of {latest} is {spread_ms:.1f} ms after the '
            f'newest of {earliest}; synchronise the cameras, or set input.synchronization to '
            'approximate and input.slop_s to more than their difference')

    def _explain_topic(self, topic: _Topic) -> str:
        name = topic.subscription.topic_name
        publishers = self._node.get_publishers_info_by_topic(name)
        if not publishers:
            return (
                f'{name} has no publisher: start the camera driver or remap {topic.topic}'
                + self._other_images(topic))
        wanted = type_name(topic.message_type)
        types = sorted({publisher.topic_type for publisher in publishers})
        if wanted not in types:
            return (
                f'{name} is {types[0]}, this node wants {wanted}: '
                'check the remapping and input.transport')
        for publisher in publishers:
            compatibility, reason = qos_check_compatible(
                publisher.qos_profile, topic.subscription.qos_profile)
            if compatibility == QoSCompatibility.ERROR:
                return (
                    f'QoS of {name} does not match ({reason.strip().rstrip(".")}): '
                    'set input.reliability to best_effort')
        return f'{name} has a publisher but no message has come: check that it publishes'

    def _other_images(self, topic: _Topic) -> str:
        """Advice to switch input.rectify if the cameras publish the other kind of images."""
        rectify = self._rectifier is None
        own, other = IMAGE_NAMES[not rectify], IMAGE_NAMES[rectify]
        name = self._node.resolve_topic_name(topic.topic.replace(own, other))
        if own not in topic.topic or not self._node.get_publishers_info_by_topic(name):
            return ''
        return f', or set input.rectify to {str(rectify).lower()}: {name} has one'


def _topics(config: InputConfig, matcher: str) -> list[_Topic]:
    image_type, suffix = (
        (CompressedImage, '/compressed') if config.transport == 'compressed' else (Image, ''))
    image = IMAGE_NAMES[config.rectify] + suffix
    left = _Topic('left_image', f'left/{image}', image_type)
    second = (
        _Topic('external_disparity', 'external_disparity', DisparityImage)
        if matcher == 'external'
        else _Topic('right_image', f'right/{image}', image_type))
    return [
        left, second,
        _Topic('left_info', 'left/camera_info', CameraInfo),
        _Topic('right_info', 'right/camera_info', CameraInfo),
    ]


def type_name(message_type: type) -> str:
    """Name of a message class in the ROS graph: 'sensor_msgs/msg/Image'."""
    package, _, rest = message_type.__module__.partition('.')
    return f'{package}/{rest.partition(".")[0]}/{message_type.__name__}'


_EXACT_SLOP_S = 1e-9  # message_filters compares strictly, stamps are whole nanoseconds


def build_synchronizer(num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> Synchronizer:
    """Build the synchroniser of message_filters, or our own if that is not installed."""
    kind = StampSynchronizer if message_filters is None else MessageFiltersSynchronizer
    return kind(num_inputs, depth, slop_s, on_set)


class MessageFiltersSynchronizer:
    """Adapter of the message_filters synchronisers; arguments as for StampSynchronizer."""

    def __init__(self, num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> None:
        self._num_inputs = num_inputs
        self._depth = depth
        self._slop_s = slop_s
        self._on_set = on_set
        self.reset()

    def add(self, index: int, message: Any) -> None:
        """Add a message of one input; see Synchronizer."""
        self._inputs[index].signalMessage(message)

    def reset(self) -> None:
        """Replace the synchroniser: after a jump back the old one may never match again."""
        self._inputs = [message_filters.SimpleFilter() for _ in range(self._num_inputs)]
        if self._slop_s:
            synchronizer = message_filters.ApproximateTimeSynchronizer(
                self._inputs, self._depth, self._slop_s + _EXACT_SLOP_S)
        else:
            synchronizer = message_filters.TimeSynchronizer(self._inputs, self._depth)
        synchronizer.registerCallback(lambda *messages: self._on_set(messages))
        self._synchronizer = synchronizer
