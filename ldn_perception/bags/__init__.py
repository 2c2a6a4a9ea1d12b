# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The second door: recorded drives as stereo frames, and frames as recordings."""

from ldn_perception.bags.image_folder import ImageFolder
from ldn_perception.bags.raw_bag_writer import RawBagWriter
from ldn_perception.bags.raw_messages import RawBag, RawMessage, patch_stamp, read_stamp
from ldn_perception.bags.segmented_bag_writer import SegmentedBagWriter
from ldn_perception.bags.stereo_bag_reader import StereoBagReader
from ldn_perception.bags.stereo_bag_writer import StereoBagWriter
from ldn_perception.bags.stereo_sample import StereoSample
from ldn_perception.bags.topics import StereoTopics
from ldn_perception.bags.truth_folder import TruthFolder

__all__ = [
    'ImageFolder', 'RawBag', 'RawBagWriter', 'RawMessage', 'SegmentedBagWriter', 'StereoBagReader',
    'StereoBagWriter', 'StereoSample', 'StereoTopics', 'TruthFolder', 'patch_stamp', 'read_stamp',
]
