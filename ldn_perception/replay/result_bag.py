# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Results as the messages the node would have published."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldn_perception.bags.message_types import build_header, build_message, serialize
from ldn_perception.bags.segmented_bag_writer import SegmentedBagWriter, segment_files
from ldn_perception.bags.stereo_bag_writer import is_grey
from ldn_perception.bags.topics import CAMERA_INFO, DISPARITY_IMAGE, IMAGE, StereoTopics
from ldn_perception.frames import PerceptionResult, StereoFrame
from ldn_perception.message_fields import (
    Fields,
    camera_info_fields,
    disparity_fields,
    image_fields,
)

LABELS = '/stereo_seg_node/labels'
OOD_MASK = '/stereo_seg_node/ood_mask'
DISPARITY = '/disparity'


class ResultBag:
    """An MCAP bag of labels, mask, disparity, left calibration and left image of every pair.

    Each message has the stamp of its left image, and is received then.

    Args:
        path: Directory of the bag.
        segments: Finished segments to keep.
        writes_images: Whether the left images go into it.

    Raises:
        BagError: See `SegmentedBagWriter`.
    """

    def __init__(self, path: Path, segments: int = 0, *, writes_images: bool = True) -> None:
        self._writer = SegmentedBagWriter(path, segments)
        self._writes_images = writes_images

    @property
    def num_segments(self) -> int:
        """Number of finished segments."""
        return self._writer.num_segments

    def write(self, result: PerceptionResult, topics: StereoTopics) -> None:
        """Append the result of a pair.

        Args:
            result: Of the pair; what was not computed is left out.
            topics: Where the pair came from; left image and calibration keep their names.

        Raises:
            BagError: The disk does not take it.
        """
        frame, segmentation = result.frame, result.segmentation
        self._put(frame, topics.left_info, CAMERA_INFO, camera_info_fields(frame.geometry, 'left'))
        if self._writes_images:
            name = topics.left_image.removesuffix('/compressed')
            self._put(frame, name, IMAGE, _left_fields(frame))
        self._put(frame, LABELS, IMAGE, image_fields(segmentation.labels, 'mono8'))
        if segmentation.ood_mask is not None:
            mask = segmentation.ood_mask.view(np.uint8) * np.uint8(255)
            self._put(frame, OOD_MASK, IMAGE, image_fields(mask, 'mono8'))
        if result.disparity is not None:
            fields = disparity_fields(result.disparity, frame.geometry)
            self._put(frame, DISPARITY, DISPARITY_IMAGE, fields)

    def take_over(self, bag: Path) -> None:
        """Append the results of another replay.

        Args:
            bag: Its finished bag; it stays as it is.

        Raises:
            BagError: A file of it cannot be read.
        """
        self._writer.take_over(segment_files(bag))

    def finish_segment(self) -> None:
        """Make what was written since the last call part of the bag for good.

        Raises:
            BagError: The disk does not take it.
        """
        self._writer.finish_segment()

    def _put(self, frame: StereoFrame, topic: str, msgtype: str, fields: Fields) -> None:
        header = build_header(frame.stamp_ns, frame.frame_id)
        message = build_message(msgtype, fields, header)
        self._writer.write(topic, msgtype, frame.stamp_ns, serialize(message, msgtype))


def _left_fields(frame: StereoFrame) -> Fields:
    if is_grey(frame.left):
        return image_fields(frame.left[..., 0], 'mono8')
    return image_fields(frame.left, 'rgb8')
