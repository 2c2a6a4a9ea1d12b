# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of input topics, their QoS and calibration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ldn_perception.config import InputConfig
from ldn_perception.data.messages import (
    calibration_from_message,
    geometry_from_messages,
    image_size,
)
from ldn_perception.doctor.observations import (
    Endpoint,
    Finding,
    InputTopic,
    Observations,
    error,
    error_of,
    ok,
    skipped,
    warning,
)
from ldn_perception.errors import LdnPerceptionError

LABELS = {
    'left_image': 'left image',
    'right_image': 'right image',
    'external_disparity': 'external disparity',
    'left_info': 'left camera_info',
    'right_info': 'right camera_info',
}
"""Names of the inputs in findings."""

_NAMED = 6


def check_system(observations: Observations) -> Finding:
    """Report that neither a camera nor the node was found."""
    return skipped(
        'live system', f'no topics were found: neither {observations.inputs[0].topic} and its '
        f'companions nor the node {observations.node_name}, in {observations.seconds:g} s'
        + _other_images(observations),
        'start the cameras and the node; where they run already, name them with --namespace, '
        '--left-camera, --right-camera, --image-name and --node, and use their ROS_DOMAIN_ID')


def check_input(topic: InputTopic, observations: Observations, config: InputConfig) -> Finding:
    """Check publishers, type, QoS and messages of an input."""
    label = LABELS[topic.role]
    own = [entry for entry in topic.publishers if entry.message_type == topic.message_type]
    if not topic.publishers:
        return error(
            label, f'nobody publishes {topic.topic}{_other_images(observations)}',
            'start the camera driver, or name its topics with '
            '--left-camera, --right-camera and --image-name')
    if not own:
        return error(
            label, f'{topic.topic} is {topic.publishers[0].message_type}, the node wants '
            f'{topic.message_type}',
            'check the remapping and input.transport')
    if len(own) > 1:
        nodes = ', '.join(sorted(entry.node for entry in own))
        return error(
            label, f'{topic.topic} has {len(own)} publishers: {nodes}',
            'stop all but one of them, or remap them')
    mismatch = qos_mismatch(own[0], _listener(topic, observations, config))
    if mismatch:
        return error(
            label, f'QoS of {topic.topic}: {mismatch}',
            'set input.reliability to best_effort, and take qos_overrides away')
    if not topic.stamps_ns:
        return error(
            label, f'{own[0].node} publishes {topic.topic}, but nothing came in '
            f'{observations.seconds:g} s',
            f'check that the camera streams: ros2 topic hz {topic.topic}')
    reliability = own[0].reliability.replace('_', ' ')
    size = f', {topic.width}x{topic.height} {topic.encoding}'.rstrip() if topic.width else ''
    return ok(
        label, f'{topic.topic} of {own[0].node}: {len(topic.stamps_ns)} messages, '
        f'{reliability}{size}')


def _listener(topic: InputTopic, observations: Observations, config: InputConfig) -> Endpoint:
    """Subscriber of the node, or the one that the configuration would create."""
    return next(
        (entry for entry in topic.subscribers if entry.node == observations.node_name),
        Endpoint(observations.node_name, topic.message_type, config.reliability))


def _other_images(observations: Observations) -> str:
    wanted = {entry.topic for entry in observations.inputs}
    others = [topic for topic in observations.image_topics if topic not in wanted]
    if not others:
        return ''
    return f'; there are images on {", ".join(others[:_NAMED])}' + (
        ' and others' if len(others) > _NAMED else '')


def qos_mismatch(publisher: Endpoint, subscriber: Endpoint) -> str:
    """Describe the first QoS policy that prevents a connection; empty if all are compatible.

    Source: ROS 2 documentation, Quality of Service settings: compatibilities.
    """
    if subscriber.reliability == 'reliable' and publisher.reliability == 'best_effort':
        return 'best effort offered, reliable asked for'
    if subscriber.durability == 'transient_local' and publisher.durability == 'volatile':
        return 'volatile offered, transient local asked for'
    asked, offered = subscriber.deadline_ns, publisher.deadline_ns
    if asked and (not offered or offered > asked):
        return (f'a deadline of {asked / 1e6:g} ms asked for, '
                f'{f"{offered / 1e6:g} ms" if offered else "none"} offered')
    return ''


_SWAPPED = 'swap the left and right topics'


def check_calibration(observations: Observations) -> Finding:
    """Check that the projection matrices belong to a rectified pair, left before right."""
    check = 'calibration'
    left, right = (observations.input(f'{side}_info') for side in ('left', 'right'))
    missing = [
        topic.topic for topic in (left, right) if topic is not None and topic.info is None]
    if missing:
        return skipped(check, f'no message of {" and ".join(missing)}')
    assert left is not None
    assert right is not None
    try:
        rig = geometry_from_messages(left.info, right.info)
    except LdnPerceptionError as problem:
        if _SWAPPED in str(problem):
            return error(
                check, f'the cameras are swapped: by P, that of {right.topic} stands to the left '
                f'of that of {left.topic}', f'{_SWAPPED}, images and camera_info')
        return error_of(check, str(problem))
    return ok(
        check, f'{rig.width}x{rig.height}, fx {rig.fx:.1f} px, baseline {rig.baseline:.3f} m')


def check_image_sizes(observations: Observations) -> Finding:
    """Compare the sizes of the images with the calibration and with each other."""
    check, sizes = 'image sizes', []
    for image in observations.images:
        side = image.role.partition('_')[0]
        info = observations.input(f'{"right" if side == "right" else "left"}_info')
        if info is None or info.info is None or not image.width:
            return skipped(check, f'{image.topic} or its camera_info does not come')
        size, calibrated = (image.width, image.height), image_size(info.info)
        if size != calibrated:
            return error(
                check, f'{image.topic} is {size[0]}x{size[1]}, {info.topic} is for '
                f'{calibrated[0]}x{calibrated[1]}',
                'publish the camera_info that belongs to this size of images (binning and region '
                'of interest count)')
        sizes.append(size)
    if sizes[0] != sizes[1]:
        return error(
            check, f'{sizes[0][0]}x{sizes[0][1]} and {sizes[1][0]}x{sizes[1][1]}',
            'set both cameras to the same size and calibrate them as a stereo pair')
    return ok(check, f'{sizes[0][0]}x{sizes[0][1]}, as camera_info says')


def check_raw_calibration(observations: Observations) -> Finding:
    """Check that raw images can be rectified with K, D, R and P, if the node rectifies."""
    check = 'calibration of raw images'
    infos = [observations.input(f'{side}_info') for side in ('left', 'right')]
    if not observations.rectifies:
        return skipped(check, 'not needed: input.rectify is false, the images come rectified')
    if any(topic is None or topic.info is None for topic in infos):
        return skipped(check, 'a camera_info does not come')
    models = []
    for side, topic in zip(('left', 'right'), infos, strict=True):
        assert topic is not None
        try:
            calibration = calibration_from_message(topic.info, side)
        except LdnPerceptionError as problem:
            return error_of(check, str(problem))
        models.append(calibration.distortion_model if any(calibration.distortion) else 'none')
    return ok(check, f'distortion: {models[0]} and {models[1]}')


def check_pair(observations: Observations) -> Finding:
    """Report if a pair of images is usable, rectified and not swapped."""
    check, pair = 'a pair of images', observations.pair
    if pair is None:
        return skipped(check, 'no two images and camera_info came')
    if pair.problem:
        if check_calibration(observations).advice:
            return skipped(check, 'the calibration comes first')
        return error_of(check, pair.problem)
    if pair.complaint:
        finding = error_of(check, pair.complaint)
        if 'swapped' in pair.complaint:
            return finding
        return warning(check, finding.found, finding.advice)
    if pair.vertical_px is None:
        return ok(check, 'can be used; too few points match to tell whether it is rectified')
    return ok(
        check, f'rectified: rows of {pair.num_matches} matched points differ by '
        f'{pair.vertical_px:.2f} px')


IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
DISPARITY_IMAGE = 'stereo_msgs/msg/DisparityImage'
INPUT_TYPES = (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO, DISPARITY_IMAGE)

_COMPRESSED = '/compressed'


@dataclass(frozen=True, slots=True)
class CameraNames:
    """Camera names given by the user; empty if not given.

    Attributes:
        namespace: Namespace of the node, prefix of relative names.
        left: Namespace of the left camera.
        right: Namespace of the right camera.
        image: Name of the images in both namespaces.
    """

    namespace: str = ''
    left: str = ''
    right: str = ''
    image: str = ''


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """An input with its role, full name and type."""

    role: str
    topic: str
    message_type: str


def absolute(name: str, namespace: str) -> str:
    """Full name of a topic or node.

    Args:
        name: Relative name, or absolute name with a leading slash.
        namespace: Namespace of a relative name.
    """
    if name.startswith('/'):
        return name
    return '/' + '/'.join(filter(None, [namespace.strip('/'), name]))


def find_inputs(
    names: CameraNames, parameters: Mapping[str, Any], published: Collection[str],
    node_inputs: Mapping[str, str],
) -> tuple[WantedTopic, ...]:
    """Find the four inputs.

    Names given by the user take precedence. Otherwise the inputs are the subscriptions of the
    node; topics with other than the default names are ordered by name (left before right, infra1
    before infra2). Without a node they are chosen from the published topics.

    Args:
        names: Camera names given by the user.
        parameters: Parameters of the node; empty without a node.
        published: Topics with a publisher.
        node_inputs: Topic -> type of the node's subscriptions; empty without a node.
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
    """Assign roles to the node's subscriptions; empty unless two images and two infos."""
    images = sorted(
        topic for topic, kind in node_inputs.items() if kind in (IMAGE, COMPRESSED_IMAGE))
    infos = sorted(topic for topic, kind in node_inputs.items() if kind == CAMERA_INFO)
    if len(images) != 2 or len(infos) != 2:
        return ()
    roles = ('left_image', 'right_image', 'left_info', 'right_info')
    return tuple(
        WantedTopic(role, topic, node_inputs[topic])
        for role, topic in zip(roles, (*images, *infos), strict=True))
