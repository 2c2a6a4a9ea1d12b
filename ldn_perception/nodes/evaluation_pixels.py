# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Serialised results and ground truth as pixels."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from stereo_msgs.msg import DisparityImage

from ldn_perception.messages import plane_from_message

MESSAGE_TYPES = {
    'labels': Image,
    'foreign_probability': Image,
    'ood_mask': Image,
    'disparity': DisparityImage,
    'ground_truth/labels': Image,
    'ground_truth/foreign': Image,
    'ground_truth/disparity': DisparityImage,
}

def decode_pixels(name: str, cdr: bytes) -> NDArray[Any]:
    """Decode a message to pixels.

    Args:
        name: Result or ground truth, one of MESSAGE_TYPES.
        cdr: The message, serialised.

    Returns:
        (H, W) uint8 ids or mask, bool for ground_truth/foreign, float32 for probabilities, float32
        for disparities as they are sent [px] with NaN where unknown.

    Raises:
        MessageError: It has another encoding, or sizes that contradict each other.
    """
    pixels = plane_from_message(name, deserialize_message(cdr, MESSAGE_TYPES[name]))
    return pixels > 0 if name == 'ground_truth/foreign' else pixels
