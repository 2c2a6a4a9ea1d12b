# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics the inputs of the node are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
DISPARITY_IMAGE = 'stereo_msgs/msg/DisparityImage'
INPUT_TYPES = (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO, DISPARITY_IMAGE)

_COMPRESSED = '/compressed'


@dataclass(frozen=True, slots=True)
class CameraNames:
    """What the user says of the cameras; empty where the user says nothing.

    Attributes:
        namespace: Of the node; anchors relative names.
        left: Namespace of the left camera.
        right: Namespace of the right camera.
        image: Name of the images in them.
    """

    namespace: str = ''
    left: str = ''
    right: str = ''
    image: str = ''


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """An input by its role, full name and type."""

    role: str
    topic: str
    message_type: str


def absolute(name: str, namespace: str) -> str:
    """Full name of a topic or node.

    Args:
        name: Relative, or beginning with a slash.
        namespace: What a relative name is below.
    """
    if name.startswith('/'):
        return name
    return '/' + '/'.join(filter(None, [namespace.strip('/'), name]))


def find_inputs(
    names: CameraNames, parameters: Mapping[str, Any], published: Collection[str],
    node_inputs: Mapping[str, str],
) -> tuple[WantedTopic, ...]:
    """Find the four inputs.

    What the user says counts; then what the node listens to, in the order of the names where
    they are not the default ones (left before right, infra1 before infra2); then what is
    published.

    Args:
        names: What the user says.
        parameters: Of the node, empty without one.
        published: Topics that have a publisher.
        node_inputs: Topic -> type of what the node listens to, empty without a node.
    """
    is_external = parameters.get('stereo.matcher') == 'external'
    if node_inputs and not (names.left or names.right or names.image) and not is_external:
        found = _of_the_node(node_inputs)
        if found:
            return found
    left, right = (
        absolute(name or side, names.namespace)
        for name, side in ((names.left, 'left'), (names.right, 'right')))
    image = names.image or _image_name(left, parameters, published)
    transport = parameters.get('input.transport')
    is_compressed = transport == 'compressed' or (
        transport is None and f'{left}/{image}' not in published
        and f'{left}/{image}{_COMPRESSED}' in published)
    suffix, image_type = (_COMPRESSED, COMPRESSED_IMAGE) if is_compressed else ('', IMAGE)
    second = (
        WantedTopic(
            'external_disparity', absolute('external_disparity', names.namespace),
            DISPARITY_IMAGE) if is_external
        else WantedTopic('right_image', f'{right}/{image}{suffix}', image_type))
    return (
        WantedTopic('left_image', f'{left}/{image}{suffix}', image_type),
        second,
        WantedTopic('left_info', f'{left}/camera_info', CAMERA_INFO),
        WantedTopic('right_info', f'{right}/camera_info', CAMERA_INFO),
    )


def _image_name(left: str, parameters: Mapping[str, Any], published: Collection[str]) -> str:
    rectify = parameters.get('input.rectify')
    if rectify is None:
        rectify = not _is_published(f'{left}/image_rect', published) and _is_published(
            f'{left}/image_raw', published)
    return 'image_raw' if rectify else 'image_rect'


def _is_published(topic: str, published: Collection[str]) -> bool:
    return topic in published or topic + _COMPRESSED in published


def _of_the_node(node_inputs: Mapping[str, str]) -> tuple[WantedTopic, ...]:
    """Roles of what a node listens to; nothing where that is not two images and two infos."""
    images = sorted(
        topic for topic, kind in node_inputs.items() if kind in (IMAGE, COMPRESSED_IMAGE))
    infos = sorted(topic for topic, kind in node_inputs.items() if kind == CAMERA_INFO)
    if len(images) != 2 or len(infos) != 2:
        return ()
    roles = ('left_image', 'right_image', 'left_info', 'right_info')
    return tuple(
        WantedTopic(role, topic, node_inputs[topic])
        for role, topic in zip(roles, (*images, *infos), strict=True))
