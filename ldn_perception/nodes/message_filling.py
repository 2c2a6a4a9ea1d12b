# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Field dicts into rclpy messages, the fast way."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from sensor_msgs.msg import PointField

from ldn_perception.message_fields import Fields

_TYPE_CODES = {np.dtype(np.uint8): 'B', np.dtype(np.int8): 'b'}


def fill(message: Any, fields: Fields) -> Any:
    """Set the fields of a message and return it.

    Bytes go in as array.array: assigning the numpy array itself takes rclpy hundreds of times
    longer.
    """
    for name, value in fields.items():
        if isinstance(value, dict):
            fill(getattr(message, name), value)
        elif isinstance(value, np.ndarray) and value.dtype in _TYPE_CODES:
            data = array.array(_TYPE_CODES[value.dtype])
            data.frombytes(memoryview(value).cast('B'))
            setattr(message, name, data)
        elif isinstance(value, list):
            setattr(message, name, [fill(PointField(), entry) for entry in value])
        else:
            setattr(message, name, value)
    return message
