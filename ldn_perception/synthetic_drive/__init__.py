# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered stereo drives with exact disparity, labels, foreign objects and occlusions."""

from ldn_perception.synthetic_drive.drive import (
    FRAME_ID,
    ParallelDrive,
    SyntheticDrive,
    SyntheticSample,
    write_images,
)

__all__ = [
    'FRAME_ID', 'ParallelDrive', 'SyntheticDrive', 'SyntheticSample', 'write_images',
]
