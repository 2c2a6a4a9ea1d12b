# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Serialised results and ground truth as pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from stereo_msgs.msg import DisparityImage

from ldn_perception.errors import MessageError
from ldn_perception.messages import pixels_of

MESSAGE_TYPES = {
    'labels': Image,
    'foreign_probability': Image,
    'ood_mask': Image,
    'disparity': DisparityImage,
    'ground_truth/labels': Image,
    'ground_truth/foreign': Image,
    'ground_truth/disparity': DisparityImage,
}
_ENCODINGS = {'mono8': np.uint8, '8UC1': np.uint8, '32FC1': np.float32}


def decode_pixels(name: str, cdr: bytes) -> NDArray[Any]:
    """Make pixels of a message.

    Args:
        name: Which result or ground truth, one of MESSAGE_TYPES.
        cdr: The message, serialised.

    Returns:
        (H, W) uint8 ids or mask, bool for ground_truth/foreign, float32 for probabilities, float32
        for disparities [px] with NaN where unknown.

    Raises:
        MessageError: It has another encoding, or sizes that contradict each other.
    """
    message = deserialize_message(cdr, MESSAGE_TYPES[name])
    image = message.image if isinstance(message, DisparityImage) else message
    if image.encoding not in _ENCODINGS:
        raise MessageError(
            f'encoding of {name}', must_be=f'one of {", ".join(_ENCODINGS)}',
            got=repr(image.encoding), do='fix its publisher', reason='unknown_encoding')
    pixels = pixels_of(image, 1, _ENCODINGS[image.encoding])[..., 0]
    if isinstance(message, DisparityImage):
        low, high = message.min_disparity, message.max_disparity
        with np.errstate(invalid='ignore'):
            return np.where((pixels >= low) & (pixels <= high), pixels, np.float32(np.nan))
    return pixels > 0 if name == 'ground_truth/foreign' else pixels
