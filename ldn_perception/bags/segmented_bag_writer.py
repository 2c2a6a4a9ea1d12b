# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A bag that grows by whole files, so that it can be read and continued after a crash."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
import os
from pathlib import Path
import shutil
from typing import Any

from rosbags.rosbag2 import Reader
import yaml

from ldn_perception.bags.message_types import TYPESTORE
from ldn_perception.bags.raw_bag_writer import RawBagWriter
from ldn_perception.bags.raw_messages import bag_errors
from ldn_perception.errors import BagError

_UNFINISHED = 'unfinished'


@dataclass(frozen=True, slots=True)
class _Segment:
    """What metadata.yaml says of one file of a bag."""

    file: str
    start_ns: int
    duration_ns: int
    message_counts: dict[tuple[str, str], int]  # by topic and type

    @property
    def messages(self) -> int:
        return sum(self.message_counts.values())


class SegmentedBagWriter:
    """A split MCAP bag (rosbag2 version 9); every finished segment is a file of it.

    The segment in work lies in the folder `unfinished` until it is complete; whatever a killed
    process leaves there is thrown away when the bag is opened again.

    Args:
        path: Directory of the bag; made when the first segment is finished.
        segments: Finished segments to keep, the first ones; what is beyond them goes.

    Raises:
        BagError: There are fewer segments, or one cannot be read.
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
        """Append a message to the segment in work; see `RawBagWriter.write`.

        Raises:
            BagError: The type is unknown or the disk does not take it.
        """
        if self._writer is None:
            self._writer = RawBagWriter(self.path / _UNFINISHED / self._next_name())
        self._writer.write(topic, msgtype, receive_ns, cdr)

    def finish_segment(self) -> None:
        """Make what was written since the last call a file of the bag.

        Raises:
            BagError: The disk does not take it.
        """
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        name = self._next_name()
        self._adopt(self.path / _UNFINISHED / name / f'{name}.mcap')
        shutil.rmtree(self.path / _UNFINISHED)

    def take_over(self, files: Iterable[Path]) -> None:
        """Append finished segments of other bags; they stay where they are, as links if possible.

        Args:
            files: Their .mcap files, in order.

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
        """Describe the finished segments, at once or not at all."""
        path = self.path / 'metadata.yaml'
        if not self._segments:
            path.unlink(missing_ok=True)
            return
        temporary = path.with_suffix('.tmp')
        temporary.write_text(yaml.safe_dump(_metadata(self._segments), sort_keys=False))
        temporary.replace(path)


def segment_files(path: Path) -> list[Path]:
    """Files of a bag that was written in segments, in order."""
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
