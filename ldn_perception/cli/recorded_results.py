# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results of the node in a recorded bag, joined with their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.bag_messages import RawBag, RawMessage, deserialize, read_stamp
from ldn_perception.data.bag_reader import (
    COMPRESSED_IMAGE,
    DISPARITY_IMAGE,
    IMAGE,
    MAX_WAITING_PAIRS,
    StereoBagReader,
    StereoTopics,
)
from ldn_perception.data.messages import image_from_message, plane_from_message
from ldn_perception.data.stamp_joining import StampReader
from ldn_perception.errors import BagError
from ldn_perception.types import CameraGeometry


@dataclass(slots=True)
class RecordedResult:
    """All results published for one pair.

    Attributes:
        stamp_ns: Stamp of the pair as played [ns].
        published_ns: Time when its first result was published [ns].
        images: Arrays of labels, ood_mask, foreign_probability, overlay and disparity. Disparity
            is as published: without the offset between the principal points [px].
    """

    stamp_ns: int
    published_ns: int
    images: dict[str, NDArray[Any]] = field(default_factory=dict)

    def seen_by(self, geometry: CameraGeometry) -> RecordedResult:
        """Copy with the disparity x_l - x_r of a stereo camera."""
        if 'disparity' not in self.images:
            return self
        disparity = self.images['disparity'] + np.float32(geometry.disparity_offset)
        return replace(self, images={**self.images, 'disparity': disparity})


def read_results(
    path: Path, topics: Sequence[str] | None = None,
) -> Iterator[RecordedResult]:
    """Read results in the order in which they were published.

    Args:
        path: Bag of the recorder or another bag.
        topics: Topics of the results; None if the bag contains only results and diagnostics.

    Raises:
        BagError: The bag cannot be read.
    """
    result: RecordedResult | None = None
    for message in RawBag(path).messages(topics):
        if message.topic == '/diagnostics':
            continue
        stamp = read_stamp(message.cdr)
        if result is None or stamp != result.stamp_ns:
            if result is not None:
                yield result
            result = RecordedResult(stamp, message.receive_ns)
        name = message.topic.rpartition('/')[2]
        image = deserialize(message.cdr, message.msgtype)
        result.images[name] = (
            image_from_message(image) if name == 'overlay' else plane_from_message(name, image))
    if result is not None:
        yield result


def read_last_diagnostics(path: Path) -> tuple[str, dict[str, str]]:
    """Read the last status of the node.

    Args:
        path: Bag of the recorder.

    Returns:
        The status message and its values; empty if there was no status.
    """
    last = None
    for message in RawBag(path).messages(['/diagnostics']):
        last = message
    if last is None:
        return '', {}
    status = deserialize(last.cdr, last.msgtype).status[0]
    return status.message, {entry.key: entry.value for entry in status.values}


Image = NDArray[np.uint8]
_LazyImage = Callable[[], Image]

_RESULTS = ('labels', 'ood_mask', 'foreign_probability')
_TRUTH = StereoTopics().labels.rpartition('/')[0]


@dataclass(frozen=True, slots=True)
class ViewSource:
    """Location of images and results.

    Attributes:
        images: Bag with the left images.
        results: Bag with the results; may be the same.
        left_topic: Topic of the left images; empty to find it by its name.
        rectifies: True if the images are raw and must be rectified; the bag must then contain
            both cameras and their camera_info.
        played: Stamp of an image -> stamp of its result, if a player has changed them [ns].
    """

    images: Path
    results: Path
    left_topic: str = ''
    rectifies: bool = False
    played: Mapping[int, int] | None = None


class ViewPairs:
    """Left images with their results, in the order of the results.

    Opening reads both bags once for their stamps. Iterating reads them again and keeps only the
    images that wait for their result.

    Args:
        source: Location of images and results.

    Attributes:
        stamps_ns: Stamps of the results that have an image, increasing [ns].

    Raises:
        BagError: A bag cannot be read, has no results or no left images, or no result has the
            stamp of an image.
    """

    def __init__(self, source: ViewSource) -> None:
        self._source = source
        results = RawBag(source.results)
        self._topics = find_results(source.results, results.topics)
        labels = self._topics[0]
        wanted = {read_stamp(message.cdr) for message in results.messages([labels])}
        self._left = '' if source.rectifies else self._find_left()
        matched = wanted.intersection(stamp for stamp, _ in self._images())
        if not matched:
            raise BagError(
                f'stamps of the results in {source.results}',
                must_be=f'those of images in {source.images}',
                got=f'none of {len(wanted)} the same',
                do='name the bag that was replayed, and for results of `ldn demo` its played.json '
                'with --played')
        self.stamps_ns = sorted(matched)

    def _find_left(self) -> str:
        source = self._source
        kinds = RawBag(source.images).topics
        images = {topic: kind for topic, kind in kinds.items()
                  if kind in (IMAGE, COMPRESSED_IMAGE) and topic not in self._topics}
        if source.left_topic:
            found = [topic for topic in images if topic == '/' + source.left_topic.lstrip('/')]
        else:
            found = _left_images(images)
        if len(found) != 1:
            raise BagError(
                f'left images in {source.images}', must_be='one topic of images',
                got=', '.join(found or sorted(images)) or 'no images',
                do='name the topic with --topic, or the bag with the images first and that of the '
                'results with --results')
        return found[0]

    def _images(self) -> Iterator[tuple[int, _LazyImage]]:
        """Yield the stamp of the result and a function that loads the image."""
        played = self._source.played
        for stamp, image in self._recorded_images():
            expected = stamp if played is None else played.get(stamp)
            if expected is not None:
                yield expected, image

    def _recorded_images(self) -> Iterator[tuple[int, _LazyImage]]:
        if self._source.rectifies:
            for sample in StereoBagReader(self._source.images, rectify=True):
                yield sample.frame.stamp_ns, partial(np.asarray, sample.frame.left)
            return
        for message in RawBag(self._source.images).messages([self._left]):
            yield read_stamp(message.cdr), partial(_decoded, message)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    def __iter__(self) -> Iterator[tuple[Image, RecordedResult]]:
        """Iterate over left images with their results.

        Raises:
            BagError: Images lie too far from their results in the bag, or have another size.
        """
        missing = set(self.stamps_ns)
        images = StampReader(
            ((stamp, image) for stamp, image in self._images() if stamp in missing),
            MAX_WAITING_PAIRS)
        for result in read_results(self._source.results, self._topics):
            stamp = result.stamp_ns
            if stamp not in missing or 'labels' not in result.images:
                continue
            image = images.take(stamp)
            if image is None:
                raise BagError(
                    f'order of {self._source.results}',
                    must_be=f'that of its images within {MAX_WAITING_PAIRS} pairs',
                    got=f'a result at {stamp} ns far from its image',
                    do='sort the bags by stamp, e.g. with `ros2 bag convert`')
            missing.discard(stamp)
            yield self._checked(image(), result), result

    def _checked(self, image: Image, result: RecordedResult) -> Image:
        shape = result.images['labels'].shape
        if image.shape[:2] != shape:
            raise BagError(
                f'images in {self._source.images}', must_be=f'{shape[1]}x{shape[0]} as the labels',
                got=f'{image.shape[1]}x{image.shape[0]}',
                do='name the bag that was replayed, with --rectify where its images are raw')
        return image


def _decoded(message: RawMessage) -> Image:
    return image_from_message(deserialize(message.cdr, message.msgtype))


def find_results(path: Path, kinds: Mapping[str, str]) -> list[str]:
    """Find the topics of the results of a node, the labels first.

    Args:
        path: Path of the bag, for error messages.
        kinds: Topic -> message type of the bag.

    Raises:
        BagError: There are no results, or those of several nodes.
    """
    nodes = [
        topic.rpartition('/')[0] for topic, kind in kinds.items()
        if kind == IMAGE and topic.endswith('/labels') and not topic.endswith(f'{_TRUTH}/labels')
    ]
    if not nodes:
        raise BagError(
            f'results in {path}', must_be='labels of a stereo_seg_node',
            got=', '.join(sorted(kinds)) or 'an empty bag',
            do='run `ldn replay` on it first, and give the bag that it writes')
    if len(nodes) > 1:
        raise BagError(
            f'results in {path}', must_be='of one node', got=', '.join(sorted(nodes)),
            do='record each node into a bag of its own')
    node = nodes[0]
    topics = [f'{node}/{name}' for name in _RESULTS if kinds.get(f'{node}/{name}') == IMAGE]
    disparity = f'{node.rpartition("/")[0]}/disparity'
    return [*topics, *([disparity] if kinds.get(disparity) == DISPARITY_IMAGE else [])]


def _left_images(images: Mapping[str, str]) -> list[str]:
    """Find left image topics, preferring rectified images and raw transport."""
    default = StereoTopics().absolute().left_image
    if default in images:
        return [default]
    found = [topic for topic in images if 'left' in topic]
    found = [topic for topic in found if 'rect' in topic] or found
    return [topic for topic in found if images[topic] == IMAGE] or found
