# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the inputs of the node are there and reach it."""

from __future__ import annotations

from ldn_perception.config import InputConfig
from ldn_perception.diagnosis.finding import Finding, error, ok, skipped
from ldn_perception.diagnosis.observations import Endpoint, InputTopic, Observations
from ldn_perception.diagnosis.qos import qos_mismatch

LABELS = {
    'left_image': 'left image',
    'right_image': 'right image',
    'external_disparity': 'external disparity',
    'left_info': 'left camera_info',
    'right_info': 'right camera_info',
}
"""Names of the inputs for people."""

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
    """Check publishers, type, QoS and arrival of one input."""
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
    """The node's end of an input, or the one it would make."""
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
