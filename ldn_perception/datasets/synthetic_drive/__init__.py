# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rendered stereo drives with exact disparity, labels, foreign objects and occlusions."""

from ldn_perception.datasets.synthetic_drive.export import encode_disparity, write_images
from ldn_perception.datasets.synthetic_drive.parallel_drive import ParallelDrive
from ldn_perception.datasets.synthetic_drive.synthetic_drive import (
    FRAME_ID,
    SyntheticDrive,
    SyntheticSample,
)

__all__ = [
    'FRAME_ID', 'ParallelDrive', 'SyntheticDrive', 'SyntheticSample', 'encode_disparity',
    'write_images',
]
