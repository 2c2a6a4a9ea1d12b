# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stereo samples from a bag: stereo topics and the reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldn_perception.data.bag_messages import (
    NS_PER_S,
    RawBag,
    RawMessage,
    bag_errors,
    deserialize,
    read_stamp,
)
from ldn_perception.data.messages import disparity_from_message, frame_from_messages, pixels_of
from ldn_perception.data.stamp_joining import pair_stamps
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import BagError, CalibrationError, FrameError, MessageError
from ldn_perception.stereo.rectification import Rectifier

MAX_WAITING_PAIRS = 64
"""Limit of incomplete pairs in memory while reading; a live recording has a handful."""


class StereoBagReader:
    """Stereo pairs of a bag in the order of their stamps, with ground truth if recorded.

    The constructor reads the bag once for its stamps. Each iteration reads it again and holds only
    pairs that wait for a message.

    Args:
        path: Bag directory, .mcap, .db3 or ROS 1 .bag file.
        topics: Topics of the rig; found by name if not given.
        slop_s: Largest stamp difference within a pair [s]; 0 accepts equal stamps only.
        rectify: True if the images are raw and must be rectified with camera_info.

    Attributes:
        topics: Topics in use.
        stamps_ns: Stamps of the left images of all pairs, increasing [ns].
        unpaired_images: Number of left images without a complete pair.

    Raises:
        BagError: The bag cannot be read, has no stereo topics, or no stamps match.
    """

    def __init__(
        self, path: str | Path, topics: StereoTopics | None = None, *, slop_s: float = 0.0,
        rectify: bool = False,
    ) -> None:
        self._bag = RawBag(path)
        kinds = self._bag.topics
        self.topics = (
            find_stereo_topics(kinds, raw=rectify) if topics is None else topics.absolute())
        self._rectifier = Rectifier() if rectify else None
        check_stereo_topics(self.topics, kinds)
        stamps = self._read_stamps()
        left_ns, *others_ns = (stamps[topic] for topic in self.topics.inputs)
        pairs = pair_stamps(left_ns, others_ns, round(slop_s * NS_PER_S))
        if not pairs:
            counts = ', '.join(f'{len(stamps[topic])} {topic}' for topic in self.topics.inputs)
            raise BagError(
                f'stamps of {self._bag.path}', must_be=f'equal within {slop_s} s for each pair',
                got=f'no match among {counts}', do='allow a larger slop, or record all four',
            )
        self.stamps_ns = [pair[0] for pair in pairs]
        self.unpaired_images = len(left_ns) - len(pairs)
        self._wanted = {
            (topic, stamp): index
            for index, pair in enumerate(pairs)
            for topic, stamp in zip(self.topics.inputs, pair, strict=True)
        }
        self._add_ground_truth(stamps)

    def _read_stamps(self) -> dict[str, list[int]]:
        """Stamps of every topic in use, increasing and without duplicates [ns]."""
        stamps: dict[str, set[int]] = {topic: set() for topic in self._topics_in_bag()}
        for message in self._bag.messages(list(stamps)):
            stamps[message.topic].add(read_stamp(message.cdr))
        return {topic: sorted(values) for topic, values in stamps.items()}

    def _topics_in_bag(self) -> list[str]:
        kinds, topics = self._bag.topics, self.topics
        truth = ((topics.labels, IMAGE), (topics.foreign, IMAGE),
                 (topics.disparity, DISPARITY_IMAGE))
        present = [topic for topic, kind in truth if kinds.get(topic) == kind]
        return [*topics.inputs, *present]

    def _add_ground_truth(self, stamps: dict[str, list[int]]) -> None:
        index_of = {stamp: index for index, stamp in enumerate(self.stamps_ns)}
        for topic in self._topics_in_bag()[len(self.topics.inputs):]:
            for stamp in stamps[topic]:
                if stamp in index_of:
                    self._wanted[topic, stamp] = index_of[stamp]

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last pair [s]."""
        return (self.stamps_ns[-1] - self.stamps_ns[0]) / NS_PER_S

    @property
    def rate_hz(self) -> float:
        """Mean rate of the pairs [Hz]; 0 for a single pair."""
        return (len(self) - 1) / self.duration_s if len(self) > 1 else 0.0

    def __iter__(self) -> Iterator[StereoSample]:
        """Iterate over the pairs.

        Raises:
            BagError: A message is invalid, or the messages of a pair are too far apart in the bag.
        """
        return (sample for _, sample in self.numbered())

    def numbered(
        self, start: int = 0, refuse: Callable[[int, BagError], None] | None = None,
    ) -> Iterator[tuple[int, StereoSample]]:
        """Iterate over the pairs with their index in the bag, from 0.

        Args:
            start: Index of the first pair; earlier pairs are not decoded.
            refuse: Callback for pairs with an invalid message, which are skipped; None raises.

        Raises:
            BagError: A message is invalid, or the messages of a pair are too far apart in the bag.
        """
        for index, parts in self._complete(start):
            try:
                sample = self._sample(parts)
            except BagError as error:
                if refuse is None:
                    raise
                refuse(index, error)
            else:
                yield index, sample

    def _complete(self, start: int) -> Iterator[tuple[int, dict[str, RawMessage]]]:
        """Messages by topic of each pair, in the order of the pairs."""
        missing = [0] * len(self)
        for index in self._wanted.values():
            missing[index] += 1
        waiting: dict[int, dict[str, RawMessage]] = {}
        upcoming = start
        for message in self._bag.messages(self._topics_in_bag()):
            index = self._wanted.get((message.topic, read_stamp(message.cdr)), -1)
            if index < upcoming:
                continue
            waiting.setdefault(index, {}).setdefault(message.topic, message)
            while upcoming in waiting and len(waiting[upcoming]) == missing[upcoming]:
                yield upcoming, waiting.pop(upcoming)
                upcoming += 1
            if len(waiting) > MAX_WAITING_PAIRS:
                raise BagError(
                    f'messages of a pair in {self._bag.path}',
                    must_be=f'within {MAX_WAITING_PAIRS} pairs of each other',
                    got=f'a pair at {self.stamps_ns[upcoming]} ns still incomplete',
                    do='sort the bag by stamp, e.g. with `ros2 bag convert`',
                )

    def _sample(self, parts: dict[str, RawMessage]) -> StereoSample:
        topics = self.topics
        messages: dict[str, Any] = {}
        with bag_errors(self._bag.path):
            for topic, part in parts.items():
                messages[topic] = deserialize(part.cdr, part.msgtype)
        try:
            left, right, left_info, right_info = (messages[topic] for topic in topics.inputs)
            frame = frame_from_messages(
                left, right, left_info, right_info, rectifier=self._rectifier)
            labels = messages.get(topics.labels)
            foreign = messages.get(topics.foreign)
            disparity = messages.get(topics.disparity)
            return StereoSample(
                frame,
                None if labels is None else pixels_of(labels, 1, np.uint8)[..., 0],
                None if foreign is None else pixels_of(foreign, 1, np.uint8)[..., 0] > 0,
                None if disparity is None
                else disparity_from_message(disparity, frame.geometry).to_host(),
            )
        except (MessageError, CalibrationError, FrameError) as error:
            stamp = read_stamp(parts[topics.left_image].cdr)
            raise BagError(
                f'pair at {stamp} ns in {self._bag.path}', must_be='a valid stereo pair',
                got=str(error), do='repair the recording', reason=error.reason,
            ) from error


IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
DISPARITY_IMAGE = 'stereo_msgs/msg/DisparityImage'

_COMPRESSED_SUFFIX = '/compressed'


@dataclass(frozen=True, slots=True)
class StereoTopics:
    """Topics of a stereo rig, relative until `absolute` or `with_prefix` resolves them.

    Attributes:
        left_image: Left images, raw or compressed transport.
        right_image: Right images.
        left_info: Calibration of the left camera.
        right_info: Calibration of the right camera.
        labels: Ground-truth class ids, mono8, 255 = ignored.
        foreign: Ground-truth mask of foreign objects, mono8, 0 or 255.
        disparity: Ground-truth disparity, stereo_msgs/DisparityImage.
    """

    left_image: str = 'left/image_rect'
    right_image: str = 'right/image_rect'
    left_info: str = 'left/camera_info'
    right_info: str = 'right/camera_info'
    labels: str = 'ground_truth/labels'
    foreign: str = 'ground_truth/foreign'
    disparity: str = 'ground_truth/disparity'

    def absolute(self) -> StereoTopics:
        """Return the topics with a leading slash, as stored in a bag."""
        return StereoTopics(*('/' + topic.lstrip('/') for topic in astuple(self)))

    def with_prefix(self, prefix: str) -> StereoTopics:
        """Return the topics in a namespace, e.g. 'front' or '/front/'."""
        namespace = prefix.strip('/')
        if not namespace:
            return self.absolute()
        return StereoTopics(*(f'/{namespace}/{topic.lstrip("/")}' for topic in astuple(self)))

    @property
    def inputs(self) -> tuple[str, str, str, str]:
        """The four required topics of a pair."""
        return self.left_image, self.right_image, self.left_info, self.right_info


RAW_TOPICS = StereoTopics('left/image_raw', 'right/image_raw')
"""Topics of unrectified images."""


def find_stereo_topics(available: Mapping[str, str], *, raw: bool = False) -> StereoTopics:
    """Find the stereo topics of a bag.

    The default names have priority. Otherwise a rig is a left image topic with a topic of the same
    type named 'right' instead of 'left', and a camera_info beside each image. With `raw` False
    rectified images are preferred to unrectified ones, with True the reverse; then raw transport
    is preferred to compressed transport.

    Args:
        available: Message type by topic.
        raw: True if unrectified images are preferred.

    Raises:
        BagError: No rig or more than one rig matches.
    """
    default = (RAW_TOPICS if raw else StereoTopics()).absolute()
    if set(default.inputs) <= available.keys():
        return default
    rigs = [
        rig for topic, kind in available.items()
        if kind in (IMAGE, COMPRESSED_IMAGE) and 'left' in topic
        and available.get((rig := _rig_of(topic)).right_image) == kind
        and available.get(rig.left_info) == available.get(rig.right_info) == CAMERA_INFO
    ]
    rigs = [rig for rig in rigs if ('rect' in rig.left_image) != raw] or rigs
    rigs = [rig for rig in rigs if available[rig.left_image] == IMAGE] or rigs
    if len(rigs) == 1:
        return rigs[0]
    found = ', '.join(rig.left_image for rig in rigs) if rigs else 'none'
    listing = ', '.join(f'{topic} [{kind}]' for topic, kind in sorted(available.items()))
    raise BagError(
        'stereo topics of the bag',
        must_be=f'{default.left_image[1:]} and its three companions, or one pair of */left*/* and'
        ' */right*/* images with camera_info',
        got=f'{found} in: {listing or "an empty bag"}', do='name the four topics',
    )


def check_stereo_topics(topics: StereoTopics, available: Mapping[str, str]) -> None:
    """Check that a bag has the four required topics with valid types.

    Raises:
        BagError: A topic is missing or has another type.
    """
    for topic in topics.inputs:
        accepted = (
            (CAMERA_INFO,) if topic in (topics.left_info, topics.right_info)
            else (IMAGE, COMPRESSED_IMAGE)
        )
        if available.get(topic) not in accepted:
            raise BagError(
                f'topic {topic} of the bag', must_be=' or '.join(accepted),
                got=available.get(topic, f'missing among: {", ".join(sorted(available))}'),
                do='name the four topics of the rig',
            )


def _rig_of(left_image: str) -> StereoTopics:
    image = left_image.removesuffix(_COMPRESSED_SUFFIX)
    left_info = image.rpartition('/')[0] + '/camera_info'
    prefix = image
    for topics in (StereoTopics(), RAW_TOPICS):
        prefix = prefix.removesuffix('/' + topics.left_image)
    ground_truth = StereoTopics().with_prefix(prefix if prefix != image else '')
    return StereoTopics(
        left_image, left_image.replace('left', 'right'), left_info,
        left_info.replace('left', 'right'), ground_truth.labels, ground_truth.foreign,
        ground_truth.disparity,
    )
