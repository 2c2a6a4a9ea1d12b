# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Message classes of ROS 2 Jazzy without a ROS installation, and how to fill them."""

from __future__ import annotations

from functools import cache
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from ldn_perception.errors import BagError

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
