# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of a bag as bytes, and their types without a ROS installation."""

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
# What reading a damaged bag has been seen to raise; the library checks little before it decodes.
_DAMAGE = (
    ReaderError, rosbag1.ReaderError, SerdeError, TypesysError, OSError, EOFError, struct.error,
    apsw.Error, ValueError, TypeError, LookupError, ArithmeticError, AssertionError, MemoryError,
)
_STAMP_OFFSET = 4
_STAMP_END = 12


class RawMessage(NamedTuple):
    """One message of a bag.

    Attributes:
        topic: Topic it was recorded from.
        msgtype: E.g. 'sensor_msgs/msg/Image'.
        receive_ns: When the recorder got it [ns].
        cdr: Its bytes, encapsulation header included.
    """

    topic: str
    msgtype: str
    receive_ns: int
    cdr: bytes

    def with_stamp(self, stamp_ns: int) -> RawMessage:
        """Return the message with another time in its header.

        Raises:
            BagError: Its type does not begin with a std_msgs/Header, or the time does not fit.
        """
        if not has_header(self.msgtype):
            raise BagError(
                f'message type of {self.topic}', must_be='one that begins with std_msgs/Header',
                got=self.msgtype, do='play this topic without changing stamps',
            )
        return self._replace(cdr=patch_stamp(self.cdr, stamp_ns))


class RawBag:
    """A bag to play from: a directory with metadata.yaml, or an .mcap, .db3 or ROS 1 .bag file.

    Compressed bags are read too: zstd by message, by file (unpacked to the temporary folder) or
    in the chunks of an .mcap, lz4 in its chunks, bz2 and lz4 in ROS 1. Messages of ROS 1 come in
    the bytes of ROS 2; topics whose type ROS 2 does not have with the same fields are left out.

    Args:
        path: The bag.

    Attributes:
        topics: Topic name -> message type.
        message_counts: Topic name -> number of messages.
        duration_ns: Time from the first message received to the last [ns].

    Raises:
        BagError: There is no bag, or it is damaged or was never finished.
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
        """Read the messages in the order they were received, one in memory at a time.

        Args:
            topics: Only these; None for all.

        Raises:
            BagError: The bag has no such topic or is damaged.
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
    """Turn whatever the bag library says against a bag into one kind of error.

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
    """Read the time of a serialised message that begins with a std_msgs/Header.

    Args:
        cdr: Message bytes, encapsulation header included, of either byte order.

    Returns:
        Stamp [ns].

    Raises:
        BagError: The bytes are no plain CDR or too short to hold a stamp.
    """
    seconds, nanoseconds = struct.unpack_from(_stamp_format(cdr), cdr, _STAMP_OFFSET)
    return int(seconds) * NS_PER_S + int(nanoseconds)


def patch_stamp(cdr: bytes, stamp_ns: int) -> bytes:
    """Replace the time of a serialised message that begins with a std_msgs/Header.

    The bytes do not tell their type; `RawMessage.with_stamp` checks it.

    Args:
        cdr: Message bytes, encapsulation header included, of either byte order.
        stamp_ns: New time, >= 0 and before 2038 [ns].

    Raises:
        BagError: The bytes are no plain CDR or too short, or the time does not fit a ROS stamp.
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
    """Make sure that the definition of a message type is at hand.

    Raises:
        BagError: It is not among the types of a ROS 2 Jazzy base.
    """
    if msgtype not in TYPESTORE.fielddefs:
        raise BagError(
            'message type', must_be='one of the ROS 2 Jazzy base', got=msgtype,
            do='leave this topic out of the recording',
        )


def has_header(msgtype: str) -> bool:
    """Whether messages of a type begin with a std_msgs/Header; False for an unknown type."""
    if msgtype not in TYPESTORE.fielddefs:
        return False
    fields = TYPESTORE.fielddefs[msgtype][1]
    return bool(fields) and fields[0][1] == (Nodetype.NAME, HEADER)


@cache
def is_same_in_ros1(msgtype: str, definition: str) -> bool:
    """Whether a message of ROS 1 has the fields that it has in ROS 2.

    Their names may differ, as those of sensor_msgs/CameraInfo do, and Header has no seq any more.

    Args:
        msgtype: In the manner of ROS 2, 'sensor_msgs/msg/Image' for instance.
        definition: Full text of the definition, nested types included, as a ROS 1 bag holds it.
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
    """Build a message of its fields, nested dicts included.

    Args:
        msgtype: E.g. 'sensor_msgs/msg/Image'.
        fields: Field name -> value; headers are left out.
        header: Header of the message and of every message nested in it.
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
    """Deserialise a message; its arrays are writable and its own."""
    return TYPESTORE.deserialize_cdr(memoryview(bytearray(cdr)), msgtype)
