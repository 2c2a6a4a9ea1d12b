# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Names under which a stereo rig and its ground truth stand in a bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

from ldn_perception.errors import BagError

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
DISPARITY_IMAGE = 'stereo_msgs/msg/DisparityImage'

_COMPRESSED_SUFFIX = '/compressed'


@dataclass(frozen=True, slots=True)
class StereoTopics:
    """Topics of a drive, relative to a namespace until `absolute` or `with_prefix` anchors them.

    Attributes:
        left_image: Left images, compressed or not.
        right_image: Right images.
        left_info: Calibration of the left camera.
        right_info: Calibration of the right camera.
        labels: Ground-truth class ids, mono8, 255 = ignored.
        foreign: Ground-truth mask of foreign objects, mono8, 0 or 255.
        disparity: Ground-truth disparity, stereo_msgs/DisparityImage.
    """

    left_image: str = 'left/image_rect'
    right_image: str = 'right/image_rect'
    left_info: str = 'left/camera_info'
    right_info: str = 'right/camera_info'
    labels: str = 'ground_truth/labels'
    foreign: str = 'ground_truth/foreign'
    disparity: str = 'ground_truth/disparity'

    def absolute(self) -> StereoTopics:
        """Return the same topics with a leading slash, as a bag names them."""
        return StereoTopics(*('/' + topic.lstrip('/') for topic in astuple(self)))

    def with_prefix(self, prefix: str) -> StereoTopics:
        """Return the same topics inside a namespace, e.g. 'front' or '/front/'."""
        namespace = prefix.strip('/')
        if not namespace:
            return self.absolute()
        return StereoTopics(*(f'/{namespace}/{topic.lstrip("/")}' for topic in astuple(self)))

    @property
    def inputs(self) -> tuple[str, str, str, str]:
        """The four topics without which there is no pair."""
        return self.left_image, self.right_image, self.left_info, self.right_info


RAW_TOPICS = StereoTopics('left/image_raw', 'right/image_raw')
"""Topics of a drive whose images are not rectified."""


def find_stereo_topics(available: Mapping[str, str], *, raw: bool = False) -> StereoTopics:
    """Find the stereo rig among the topics of a bag.

    The default names win. Otherwise a left image topic counts whose name with 'right' for 'left'
    exists with the same type, and whose cameras have a camera_info beside the image; rectified
    images are preferred to others (or others to rectified ones), those of raw transport to
    compressed ones.

    Args:
        available: Topic name -> message type.
        raw: Whether images that are not rectified are wanted.

    Raises:
        BagError: No rig or more than one fits.
    """
    default = (RAW_TOPICS if raw else StereoTopics()).absolute()
    if set(default.inputs) <= available.keys():
        return default
    rigs = [
        rig for topic, kind in available.items()
        if kind in (IMAGE, COMPRESSED_IMAGE) and 'left' in topic
        and available.get((rig := _rig_of(topic)).right_image) == kind
        and available.get(rig.left_info) == available.get(rig.right_info) == CAMERA_INFO
    ]
    rigs = [rig for rig in rigs if ('rect' in rig.left_image) != raw] or rigs
    rigs = [rig for rig in rigs if available[rig.left_image] == IMAGE] or rigs
    if len(rigs) == 1:
        return rigs[0]
    found = ', '.join(rig.left_image for rig in rigs) if rigs else 'none'
    listing = ', '.join(f'{topic} [{kind}]' for topic, kind in sorted(available.items()))
    raise BagError(
        'stereo topics of the bag',
        must_be=f'{default.left_image[1:]} and its three companions, or one pair of */left*/* and'
        ' */right*/* images with camera_info',
        got=f'{found} in: {listing or "an empty bag"}', do='name the four topics',
    )


def check_stereo_topics(topics: StereoTopics, available: Mapping[str, str]) -> None:
    """Make sure that a bag has the four topics of a rig with the types they need.

    Raises:
        BagError: A topic is missing or has another type.
    """
    for topic in topics.inputs:
        accepted = (
            (CAMERA_INFO,) if topic in (topics.left_info, topics.right_info)
            else (IMAGE, COMPRESSED_IMAGE)
        )
        if available.get(topic) not in accepted:
            raise BagError(
                f'topic {topic} of the bag', must_be=' or '.join(accepted),
                got=available.get(topic, f'missing among: {", ".join(sorted(available))}'),
                do='name the four topics of the rig',
            )


def _rig_of(left_image: str) -> StereoTopics:
    image = left_image.removesuffix(_COMPRESSED_SUFFIX)
    left_info = image.rpartition('/')[0] + '/camera_info'
    prefix = image
    for topics in (StereoTopics(), RAW_TOPICS):
        prefix = prefix.removesuffix('/' + topics.left_image)
    ground_truth = StereoTopics().with_prefix(prefix if prefix != image else '')
    return StereoTopics(
        left_image, left_image.replace('left', 'right'), left_info,
        left_info.replace('left', 'right'), ground_truth.labels, ground_truth.foreign,
        ground_truth.disparity,
    )
