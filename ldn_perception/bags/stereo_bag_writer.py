# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stereo frames and their ground truth to a bag."""

from __future__ import annotations

import math
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.bags.message_types import build_header, build_message, serialize
from ldn_perception.bags.raw_bag_writer import RawBagWriter
from ldn_perception.bags.stereo_sample import StereoSample
from ldn_perception.bags.topics import CAMERA_INFO, DISPARITY_IMAGE, IMAGE, StereoTopics
from ldn_perception.errors import BagError
from ldn_perception.frames import DisparityMap, StereoFrame
from ldn_perception.message_fields import camera_info_fields, disparity_fields, image_fields


class StereoBagWriter:
    """A new MCAP bag of stereo pairs, each message received at the stamp of its pair.

    Images are mono8 as long as every frame so far had three equal channels, rgb8 from the first
    coloured frame on. Used as a context manager; finished however the block ends.

    Args:
        path: Directory to create.
        topics: Names to write under; they are made absolute.

    Raises:
        BagError: The path exists already or cannot be created.
    """

    def __init__(self, path: str | Path, topics: StereoTopics | None = None) -> None:
        self.topics = (topics or StereoTopics()).absolute()
        self._writer = RawBagWriter(path)
        self._grey = True

    def write(
        self,
        frame: StereoFrame,
        labels: NDArray[np.uint8] | None = None,
        foreign: NDArray[np.bool_] | None = None,
        disparity: NDArray[np.float32] | None = None,
    ) -> None:
        """Append a pair and what is known to be true of it.

        Args:
            frame: The pair; both images.
            labels: (H, W) uint8 class ids, 255 = ignored.
            foreign: (H, W) bool, True on foreign objects.
            disparity: (H, W) float32 [px], NaN where unknown.

        Raises:
            BagError: The right image is missing, or ground truth does not fit the images.
        """
        sample = StereoSample(frame, labels, foreign, disparity)
        if frame.right is None:
            raise BagError(
                'right image', must_be='present in a stereo bag', got='none',
                do='write frames that hold both images',
            )
        self._grey = self._grey and is_grey(frame.left) and is_grey(frame.right)
        topics, geometry = self.topics, frame.geometry
        self._put(frame, topics.left_info, CAMERA_INFO, camera_info_fields(geometry, 'left'))
        self._put(frame, topics.right_info, CAMERA_INFO, camera_info_fields(geometry, 'right'))
        self._put(frame, topics.left_image, IMAGE, self._image_fields(frame.left))
        self._put(frame, topics.right_image, IMAGE, self._image_fields(frame.right))
        self._write_ground_truth(sample)

    def _write_ground_truth(self, sample: StereoSample) -> None:
        frame, topics = sample.frame, self.topics
        if sample.labels is not None:
            self._put(frame, topics.labels, IMAGE, image_fields(sample.labels, 'mono8'))
        if sample.foreign is not None:
            mask = sample.foreign.astype(np.uint8) * np.uint8(255)
            self._put(frame, topics.foreign, IMAGE, image_fields(mask, 'mono8'))
        if sample.disparity is not None:
            fields = disparity_fields(_disparity_map(sample.disparity), frame.geometry)
            self._put(frame, topics.disparity, DISPARITY_IMAGE, fields)

    def _image_fields(self, image: NDArray[np.uint8]) -> dict[str, Any]:
        return image_fields(image[..., 0], 'mono8') if self._grey else image_fields(image, 'rgb8')

    def _put(self, frame: StereoFrame, topic: str, msgtype: str, fields: dict[str, Any]) -> None:
        header = build_header(frame.stamp_ns, frame.frame_id)
        message = build_message(msgtype, fields, header)
        self._writer.write(topic, msgtype, frame.stamp_ns, serialize(message, msgtype))

    def close(self) -> None:
        """Write the index and the metadata; closing twice does nothing."""
        self._writer.close()

    def __enter__(self) -> StereoBagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def is_grey(image: NDArray[np.uint8]) -> bool:
    """Whether the three channels of a (H, W, 3) uint8 image are equal."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    return np.array_equal(red, green) and np.array_equal(red, blue)


def _disparity_map(disparity: NDArray[np.float32]) -> DisparityMap:
    """Give ground truth a range that holds all of it, whole pixels to be safe from rounding."""
    known = disparity[np.isfinite(disparity)]
    low = math.floor(known.min()) - 1 if known.size else 0
    high = math.ceil(known.max()) + 1 if known.size else 1
    return DisparityMap(torch.from_numpy(disparity), low, high)
