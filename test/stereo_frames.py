# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small frames and message-shaped objects the tests share."""

from types import SimpleNamespace

import numpy as np

from ldn_perception.data.message_fields import camera_info_fields, image_fields
from ldn_perception.types import CameraGeometry, StereoFrame


def geometry(width=160, height=96, **changes):
    values = {
        'width': width, 'height': height, 'fx': 90.0, 'fy': 91.0, 'cx': width / 2 - 3,
        'cy': height / 2 + 2, 'cx_right': width / 2 - 3, 'baseline': 0.5, **changes,
    }
    return CameraGeometry(**values)


def texture(width, height, seed=0):
    """Coarse random texture, (height, width, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 2, width // 2, 3), np.uint8)
    return np.repeat(np.repeat(coarse, 2, 0), 2, 1)


def shifted_frame(disparity_px=12, width=160, height=96, **changes):
    """A wall parallel to the cameras: the right image is the left one moved to the left."""
    wide = texture(width + 2 * disparity_px, height)
    left = wide[:, disparity_px:disparity_px + width]
    right = wide[:, 2 * disparity_px:2 * disparity_px + width]
    values = {
        'stamp_ns': 1_500_000_007, 'frame_id': 'left_optical', 'left': left.copy(),
        'right': right.copy(), 'geometry': geometry(width, height), **changes,
    }
    return StereoFrame(**values)


def namespace(fields):
    """Fields as an object with attributes, nested ones too."""
    return SimpleNamespace(**{
        name: namespace(value) if isinstance(value, dict) else value
        for name, value in fields.items()
    })


def header(stamp_ns=1_500_000_007, frame_id='left_optical'):
    seconds, nanoseconds = divmod(stamp_ns, 10**9)
    return namespace({'stamp': {'sec': seconds, 'nanosec': nanoseconds}, 'frame_id': frame_id})


def image_message(pixels, encoding='rgb8', **changes):
    message = namespace({**image_fields(pixels, encoding), **changes})
    message.header = header()
    return message


def info_message(rig, side, **changes):
    return namespace({**camera_info_fields(rig, side), **changes})
