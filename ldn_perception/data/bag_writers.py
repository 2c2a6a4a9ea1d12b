# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bag writers for stereo frames, serialised messages and growing segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import math
import os
from pathlib import Path
import shutil
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer, WriterError
import torch
import yaml

from ldn_perception.data.bag_messages import (
    TYPESTORE,
    bag_errors,
    build_header,
    build_message,
    check_known_type,
    serialize,
)
from ldn_perception.data.bag_reader import CAMERA_INFO, DISPARITY_IMAGE, IMAGE, StereoTopics
from ldn_perception.data.message_fields import camera_info_fields, disparity_fields, image_fields
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import BagError
from ldn_perception.types import DisparityMap, StereoFrame


class StereoBagWriter:
    """MCAP bag of stereo pairs; the receive time of each message is the stamp of its pair.

    Images are mono8 until the first frame with different channels, rgb8 from that frame on. Use as
    a context manager; the bag is finished when the block ends, also after an error.

    Args:
        path: Directory to create.
        topics: Topic names; written as absolute names.

    Raises:
        BagError: The path exists or cannot be created.
    """

    def __init__(self, path: str | Path, topics: StereoTopics | None = None) -> None:
        self.topics = (topics or StereoTopics()).absolute()
        self._writer = RawBagWriter(path)
        self._grey = True

    def write(
        self,
        frame: StereoFrame,
        labels: NDArray[np.uint8] | None = None,
        foreign: NDArray[np.bool_] | None = None,
        disparity: NDArray[np.float32] | None = None,
    ) -> None:
        """Append a pair and its ground truth.

        Args:
            frame: Pair with both images.
            labels: (H, W) uint8 class ids, 255 = ignored.
            foreign: (H, W) bool, True on foreign objects.
            disparity: (H, W) float32 [px], NaN where unknown.

        Raises:
            BagError: The right image is missing, or ground truth has another size than the images.
        """
        sample = StereoSample(frame, labels, foreign, disparity)
        if frame.right is None:
            raise BagError(
                'right image', must_be='present in a stereo bag', got='none',
                do='write frames that hold both images',
            )
        self._grey = self._grey and is_grey(frame.left) and is_grey(frame.right)
        topics, geometry = self.topics, frame.geometry
        self._put(frame, topics.left_info, CAMERA_INFO, camera_info_fields(geometry, 'left'))
        self._put(frame, topics.right_info, CAMERA_INFO, camera_info_fields(geometry, 'right'))
        self._put(frame, topics.left_image, IMAGE, self._image_fields(frame.left))
        self._put(frame, topics.right_image, IMAGE, self._image_fields(frame.right))
        self._write_ground_truth(sample)

    def _write_ground_truth(self, sample: StereoSample) -> None:
        frame, topics = sample.frame, self.topics
        if sample.labels is not None:
            self._put(frame, topics.labels, IMAGE, image_fields(sample.labels, 'mono8'))
        if sample.foreign is not None:
            mask = sample.foreign.astype(np.uint8) * np.uint8(255)
            self._put(frame, topics.foreign, IMAGE, image_fields(mask, 'mono8'))
        if sample.disparity is not None:
            fields = disparity_fields(_disparity_map(sample.disparity), frame.geometry)
            self._put(frame, topics.disparity, DISPARITY_IMAGE, fields)

    def _image_fields(self, image: NDArray[np.uint8]) -> dict[str, Any]:
        return image_fields(image[..., 0], 'mono8') if self._grey else image_fields(image, 'rgb8')

    def _put(self, frame: StereoFrame, topic: str, msgtype: str, fields: dict[str, Any]) -> None:
        header = build_header(frame.stamp_ns, frame.frame_id)
        message = build_message(msgtype, fields, header)
        self._writer.write(topic, msgtype, frame.stamp_ns, serialize(message, msgtype))

    def close(self) -> None:
        """Write the index and the metadata; a second call does nothing."""
        self._writer.close()

    def __enter__(self) -> StereoBagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def is_grey(image: NDArray[np.uint8]) -> bool:
    """Return True if the three channels of a (H, W, 3) uint8 image are equal."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return np.array_equal(red, green) and np.array_equal(red, blue)


def _disparity_map(disparity: NDArray[np.float32]) -> DisparityMap:
    """Disparity map of ground truth; its range is rounded outwards to whole pixels."""
    known = disparity[np.isfinite(disparity)]
    low = math.floor(known.min()) - 1 if known.size else 0
    high = math.ceil(known.max()) + 1 if known.size else 1
    return DisparityMap(torch.from_numpy(disparity), low, high)


_UNFINISHED = 'unfinished'


@dataclass(frozen=True, slots=True)
class _Segment:
    """Entry of one bag file in metadata.yaml."""

    file: str
    start_ns: int
    duration_ns: int
    message_counts: dict[tuple[str, str], int]  # by topic and type

    @property
    def messages(self) -> int:
        return sum(self.message_counts.values())


class SegmentedBagWriter:
    """Split MCAP bag (rosbag2 version 9) with one file per finished segment.

    The current segment is stored in the folder `unfinished` until it is complete. What a killed
    process leaves there is deleted when the bag is opened again.

    Args:
        path: Directory of the bag; created with the first finished segment.
        segments: Number of finished segments to keep, from the first; later ones are deleted.

    Raises:
        BagError: The bag has fewer segments, or a segment cannot be read.
    """

    def __init__(self, path: str | Path, segments: int = 0) -> None:
        self.path = Path(path)
        self._writer: RawBagWriter | None = None
        shutil.rmtree(self.path / _UNFINISHED, ignore_errors=True)
        found = segment_files(self.path)
        if len(found) < segments:
            raise BagError(
                f'segments of {self.path}', must_be=f'{segments} or more', got=len(found),
                do='give the files back, or begin in a new folder')
        for surplus in found[segments:]:
            surplus.unlink()
        self._segments = [_read_segment(file) for file in found[:segments]]
        self._write_metadata()

    @property
    def num_segments(self) -> int:
        """Number of finished segments."""
        return len(self._segments)

    def write(self, topic: str, msgtype: str, receive_ns: int, cdr: bytes | memoryview) -> None:
        """Append a message to the current segment; see `RawBagWriter.write`.

        Raises:
            BagError: The type is unknown or writing to disk failed.
        """
        if self._writer is None:
            self._writer = RawBagWriter(self.path / _UNFINISHED / self._next_name())
        self._writer.write(topic, msgtype, receive_ns, cdr)

    def finish_segment(self) -> None:
        """Finish the current segment and add it to the bag.

        Raises:
            BagError: Writing to disk failed.
        """
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        name = self._next_name()
        self._adopt(self.path / _UNFINISHED / name / f'{name}.mcap')
        shutil.rmtree(self.path / _UNFINISHED)

    def take_over(self, files: Iterable[Path]) -> None:
        """Append finished segments of other bags, as hard links if possible; the sources stay.

        Args:
            files: .mcap files, in order.

        Raises:
            BagError: A file is not a finished bag.
        """
        for file in files:
            target = self.path / _UNFINISHED / f'{self._next_name()}.mcap'
            target.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(file, target)
            self._adopt(target)
        shutil.rmtree(self.path / _UNFINISHED, ignore_errors=True)

    def _next_name(self) -> str:
        return f'{self.path.name}_{len(self._segments):06d}'

    def _adopt(self, file: Path) -> None:
        segment = self.path / file.name
        file.replace(segment)
        self._segments.append(_read_segment(segment))
        self._write_metadata()

    def _write_metadata(self) -> None:
        """Write metadata.yaml of the finished segments atomically."""
        path = self.path / 'metadata.yaml'
        if not self._segments:
            path.unlink(missing_ok=True)
            return
        temporary = path.with_suffix('.tmp')
        temporary.write_text(yaml.safe_dump(_metadata(self._segments), sort_keys=False))
        temporary.replace(path)


def segment_files(path: Path) -> list[Path]:
    """Files of a segmented bag, in order."""
    return sorted(path.glob(f'{path.name}_*.mcap'))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _read_segment(file: Path) -> _Segment:
    with bag_errors(file), Reader(file) as reader:
        counts: dict[tuple[str, str], int] = {}
        for item in reader.connections:
            key = item.topic, item.msgtype
            counts[key] = counts.get(key, 0) + item.msgcount
        return _Segment(
            file.name, reader.start_time, max(0, reader.duration - 1), counts)


def _metadata(segments: list[_Segment]) -> dict[str, Any]:
    counts: dict[tuple[str, str], int] = {}
    for segment in segments:
        for key, number in segment.message_counts.items():
            counts[key] = counts.get(key, 0) + number
    start_ns = min(segment.start_ns for segment in segments)
    end_ns = max(segment.start_ns + segment.duration_ns for segment in segments)
    return {'rosbag2_bagfile_information': {
        'version': 9,
        'storage_identifier': 'mcap',
        'duration': {'nanoseconds': end_ns - start_ns},
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'message_count': sum(counts.values()),
        'topics_with_message_count': [
            {
                'topic_metadata': {
                    'name': topic, 'type': msgtype, 'serialization_format': 'cdr',
                    'offered_qos_profiles': [],
                    'type_description_hash': TYPESTORE.hash_rihs01(msgtype),
                },
                'message_count': number,
            }
            for (topic, msgtype), number in counts.items()
        ],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [segment.file for segment in segments],
        'files': [
            {
                'path': segment.file,
                'starting_time': {'nanoseconds_since_epoch': segment.start_ns},
                'duration': {'nanoseconds': segment.duration_ns},
                'message_count': segment.messages,
            }
            for segment in segments
        ],
        'custom_data': None,
        'ros_distro': 'rosbags',
    }}


class RawBagWriter:
    """MCAP bag (rosbag2 version 9, readable by `ros2 bag play`).

    Use as a context manager. The bag is finished when the block ends, also after an error or
    Ctrl-C, and stays readable. After a kill, data already on disk can be recovered with `mcap
    recover`.

    Args:
        path: Directory to create, with its parents.

    Raises:
        BagError: The path exists or cannot be created.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._connections: dict[tuple[str, str], Connection] = {}
        try:
            self._writer = Writer(self.path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(
                f'new bag {self.path}', must_be='a path that does not exist yet',
                got=str(error), do='choose another path; nothing is overwritten',
            ) from error

    def write(self, topic: str, msgtype: str, receive_ns: int, cdr: bytes | memoryview) -> None:
        """Append a message.

        Args:
            topic: Topic; a missing leading slash is added.
            msgtype: Message type, e.g. 'sensor_msgs/msg/Image'.
            receive_ns: Receive time, >= 0 [ns].
            cdr: Serialised message with its encapsulation header.

        Raises:
            BagError: The type is unknown or writing to disk failed.
        """
        connection = self._connections.get((topic, msgtype)) or self._connect(topic, msgtype)
        with self._disk_errors():
            self._writer.write(connection, receive_ns, cdr)

    def declare(self, topic: str, msgtype: str) -> None:
        """Add a topic to the bag, even if no message follows.

        Raises:
            BagError: The type is unknown.
        """
        if (topic, msgtype) not in self._connections:
            self._connect(topic, msgtype)

    def _connect(self, topic: str, msgtype: str) -> Connection:
        check_known_type(msgtype)
        name = '/' + topic.lstrip('/')
        connection = self._connections.get((name, msgtype)) or self._writer.add_connection(
            name, msgtype, typestore=TYPESTORE
        )
        self._connections[topic, msgtype] = self._connections[name, msgtype] = connection
        return connection

    def close(self) -> None:
        """Write the index and the metadata; a second call does nothing.

        Raises:
            BagError: Writing to disk failed.
        """
        if self._writer.storage is not None:
            with self._disk_errors():
                self._writer.close()

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self._writer.abort()
            raise BagError(
                f'bag {self.path}', must_be='on a disk with space left', got=str(error),
                do='free some space and record again',
            ) from error

    def __enter__(self) -> RawBagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
