# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Serialised bag messages and their types, without a ROS installation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
import struct
from typing import Any, NamedTuple

import apsw
from rosbags import rosbag1
from rosbags.interfaces import Connection, Nodetype
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore

from ldn_perception.errors import BagError

_BYTE_ORDER = {b'\x00\x00': '>', b'\x00\x01': '<'}
# Exceptions seen when reading damaged bags; the library checks little before it decodes.
_DAMAGE = (
    ReaderError, rosbag1.ReaderError, SerdeError, TypesysError, OSError, EOFError, struct.error,
    apsw.Error, ValueError, TypeError, LookupError, ArithmeticError, AssertionError, MemoryError,
)
_STAMP_OFFSET = 4
_STAMP_END = 12


class RawMessage(NamedTuple):
    """One message of a bag.

    Attributes:
        topic: Recorded topic.
        msgtype: Message type, e.g. 'sensor_msgs/msg/Image'.
        receive_ns: Receive time of the recorder [ns].
        cdr: Serialised message with its encapsulation header.
    """

    topic: str
    msgtype: str
    receive_ns: int
    cdr: bytes

    def with_stamp(self, stamp_ns: int) -> RawMessage:
        """Return the message with another header stamp.

        Raises:
            BagError: The type does not begin with a std_msgs/Header, or the stamp does not fit.
        """
        if not has_header(self.msgtype):
            raise BagError(
                f'message type of {self.topic}', must_be='one that begins with std_msgs/Header',
                got=self.msgtype, do='play this topic without changing stamps',
            )
        return self._replace(cdr=patch_stamp(self.cdr, stamp_ns))


class RawBag:
    """Recorded bag: a directory with metadata.yaml, or an .mcap, .db3 or ROS 1 .bag file.

    Compressed bags are supported: zstd per message, per file (unpacked to the temporary folder) or
    per .mcap chunk, lz4 per .mcap chunk, and bz2 and lz4 in ROS 1. ROS 1 messages are converted to
    ROS 2 CDR. Topics whose type has other fields in ROS 2, or is missing there, are skipped.

    Args:
        path: Path of the bag.

    Attributes:
        topics: Message type by topic.
        message_counts: Number of messages by topic.
        duration_ns: Time from the first to the last received message [ns].

    Raises:
        BagError: The bag is missing, damaged, or its recording was not finished.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._is_ros1 = self.path.suffix == '.bag'
        with bag_errors(self.path), self._open() as reader:
            readable = self._readable(reader)
            self.topics = {item.topic: item.msgtype for item in readable}
            self.message_counts = dict.fromkeys(self.topics, 0)
            for item in readable:
                self.message_counts[item.topic] += item.msgcount
            self.duration_ns = max(0, reader.duration - 1)

    def _open(self) -> Reader | rosbag1.Reader:
        return rosbag1.Reader(self.path) if self._is_ros1 else Reader(self.path)

    def _readable(self, reader: Reader | rosbag1.Reader) -> list[Connection]:
        return [
            item for item in reader.connections
            if not self._is_ros1 or is_same_in_ros1(item.msgtype, item.msgdef.data)]

    def messages(self, topics: Sequence[str] | None = None) -> Iterator[RawMessage]:
        """Read messages in the order of reception, one in memory at a time.

        Args:
            topics: Topics to read; None reads all.

        Raises:
            BagError: A topic is missing or the bag is damaged.
        """
        wanted = set(self.topics if topics is None else topics)
        if missing := sorted(wanted - self.topics.keys()):
            raise BagError(
                f'topics of {self.path}', must_be=f'among {", ".join(sorted(self.topics))}',
                got=', '.join(missing), do='ask for topics that were recorded',
            )
        return self._read(wanted)

    def _read(self, wanted: set[str]) -> Iterator[RawMessage]:
        with bag_errors(self.path), self._open() as reader:
            connections = [item for item in self._readable(reader) if item.topic in wanted]
            if not connections:
                return
            for connection, receive_ns, stored in reader.messages(connections):
                kind = connection.msgtype
                cdr = bytes(TYPESTORE.ros1_to_cdr(stored, kind)) if self._is_ros1 else stored
                yield RawMessage(connection.topic, kind, receive_ns, cdr)


@contextmanager
def bag_errors(path: Path) -> Iterator[None]:
    """Convert all exceptions of the bag library to BagError.

    Raises:
        BagError: The bag cannot be read.
    """
    try:
        yield
    except _DAMAGE as error:
        raise BagError(
            f'bag {path}',
            must_be='a finished ROS 2 bag (a directory, .mcap or .db3) or ROS 1 .bag',
            got=str(error).rstrip('.') or type(error).__name__,
            do='check the path, or record it again; `mcap recover` saves an interrupted one',
        ) from error


def read_stamp(cdr: bytes) -> int:
    """Read the header stamp of a serialised message that begins with a std_msgs/Header.

    Args:
        cdr: Serialised message with its encapsulation header, either byte order.

    Returns:
        Stamp [ns].

    Raises:
        BagError: The bytes are not plain CDR or too short for a stamp.
    """
    seconds, nanoseconds = struct.unpack_from(_stamp_format(cdr), cdr, _STAMP_OFFSET)
    return int(seconds) * NS_PER_S + int(nanoseconds)


def patch_stamp(cdr: bytes, stamp_ns: int) -> bytes:
    """Replace the header stamp of a serialised message that begins with a std_msgs/Header.

    The bytes do not include their type; `RawMessage.with_stamp` checks it.

    Args:
        cdr: Serialised message with its encapsulation header, either byte order.
        stamp_ns: New stamp, >= 0 and before 2038 [ns].

    Raises:
        BagError: The bytes are not plain CDR or too short, or the stamp does not fit a ROS stamp.
    """
    stamp_format = _stamp_format(cdr)
    seconds, nanoseconds = divmod(stamp_ns, NS_PER_S)
    if not 0 <= seconds < 2**31:
        raise BagError(
            'stamp', must_be=f'0 to {2**31 - 1} whole seconds', got=f'{stamp_ns} ns',
            do='give a time in nanoseconds since 1970',
        )
    stamp = struct.pack(stamp_format, seconds, nanoseconds)
    return b''.join((cdr[:_STAMP_OFFSET], stamp, cdr[_STAMP_END:]))


def _stamp_format(cdr: bytes) -> str:
    order = _BYTE_ORDER.get(bytes(cdr[:2]))
    if order is None or len(cdr) < _STAMP_END:
        raise BagError(
            'serialised message', must_be='plain CDR with a header',
            got=f'{len(cdr)} bytes beginning {bytes(cdr[:2]).hex() or "nowhere"}',
            do='record it with a ROS 2 middleware that sends CDR',
        )
    return f'{order}iI'


HEADER = 'std_msgs/msg/Header'
TIME = 'builtin_interfaces/msg/Time'
NS_PER_S = 1_000_000_000

TYPESTORE = get_typestore(Stores.ROS2_JAZZY)


def check_known_type(msgtype: str) -> None:
    """Check that the definition of a message type is available.

    Raises:
        BagError: The type is not part of ROS 2 Jazzy base.
    """
    if msgtype not in TYPESTORE.fielddefs:
        raise BagError(
            'message type', must_be='one of the ROS 2 Jazzy base', got=msgtype,
            do='leave this topic out of the recording',
        )


def has_header(msgtype: str) -> bool:
    """Return True if messages of a type begin with a std_msgs/Header; False for unknown types."""
    if msgtype not in TYPESTORE.fielddefs:
        return False
    fields = TYPESTORE.fielddefs[msgtype][1]
    return bool(fields) and fields[0][1] == (Nodetype.NAME, HEADER)


@cache
def is_same_in_ros1(msgtype: str, definition: str) -> bool:
    """Return True if a ROS 1 message type has the same fields in ROS 2.

    Field names may differ, e.g. in sensor_msgs/CameraInfo. `Header.seq` does not exist in ROS 2.

    Args:
        msgtype: ROS 2 type name, e.g. 'sensor_msgs/msg/Image'.
        definition: Full definition from the ROS 1 bag, with nested types.
    """
    if msgtype not in TYPESTORE.fielddefs:
        return False
    return all(
        name in TYPESTORE.fielddefs and kinds == [kind for _, kind in TYPESTORE.fielddefs[name][1]]
        for name, (_, fields) in get_types_from_msg(definition, msgtype).items()
        for kinds in [[kind for field, kind in fields if (name, field) != (HEADER, 'seq')]]
    )


def build_header(stamp_ns: int, frame_id: str) -> Any:
    """Build a std_msgs/Header.

    Args:
        stamp_ns: Time [ns].
        frame_id: Coordinate frame.
    """
    seconds, nanoseconds = divmod(stamp_ns, NS_PER_S)
    stamp = TYPESTORE.types[TIME](sec=seconds, nanosec=nanoseconds)
    return TYPESTORE.types[HEADER](stamp=stamp, frame_id=frame_id)


def build_message(msgtype: str, fields: dict[str, Any], header: Any) -> Any:
    """Build a message from its fields, with nested dicts for nested messages.

    Args:
        msgtype: Message type, e.g. 'sensor_msgs/msg/Image'.
        fields: Values by field name, without headers.
        header: Header of the message and of all nested messages.
    """
    values = {}
    for name, (kind, detail) in TYPESTORE.fielddefs[msgtype][1]:
        if (kind, detail) == (Nodetype.NAME, HEADER):
            values[name] = header
        elif kind is Nodetype.NAME:
            values[name] = build_message(str(detail), fields[name], header)
        else:
            values[name] = fields[name]
    return TYPESTORE.types[msgtype](**values)


def serialize(message: Any, msgtype: str) -> memoryview:
    """Serialise a message to CDR."""
    return TYPESTORE.serialize_cdr(message, msgtype)


def deserialize(cdr: bytes, msgtype: str) -> Any:
    """Deserialise a message; its arrays are writable copies."""
    return TYPESTORE.deserialize_cdr(memoryview(bytearray(cdr)), msgtype)
