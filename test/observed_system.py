# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A machine and a system with nothing wrong, for tests to break."""

from dataclasses import replace

import numpy as np
from stereo_frames import geometry

from ldn_perception.config import PerceptionConfig
from ldn_perception.data.message_fields import camera_info_fields
from ldn_perception.doctor import observations as seen
from ldn_perception.doctor.machine_checks import (
    PROFILE_VARIABLES,
    Gpus,
    Machine,
    SharedMemory,
    WeightsFile,
)

NODE = '/stereo_seg_node'
START_NS = 1_700_000_000 * 10**9
PERIOD_NS = 10**8
TYPES = {
    'image': 'sensor_msgs/msg/Image', 'info': 'sensor_msgs/msg/CameraInfo',
    'disparity': 'stereo_msgs/msg/DisparityImage',
}
TOPICS = {
    'left_image': '/left/image_rect', 'right_image': '/right/image_rect',
    'left_info': '/left/camera_info', 'right_info': '/right/camera_info',
    'external_disparity': '/external_disparity',
}
PROFILE = """<profiles xmlns="http://www.eprosima.com">
  <transport_descriptors><transport_descriptor>
    <transport_id>images</transport_id><type>SHM</type><segment_size>{size}</segment_size>
  </transport_descriptor></transport_descriptors>
  <participant profile_name="a" is_default_profile="true"><rtps>
    <userTransports><transport_id>images</transport_id></userTransports>
    <useBuiltinTransports>false</useBuiltinTransports>
  </rtps></participant>
</profiles>"""
LARGE_PROFILE = PROFILE.format(size=64 << 20)


def machine(**changes):
    """A machine where everything is as it should be."""
    path = '/opt/fastdds_large_images.xml'
    return replace(Machine(
        python='3.11.7',
        packages={'torch': '2.13.0+cpu', 'numpy': '2.4.6', 'OpenCV': '4.14.0',
                  'rosbags': '0.11.9', 'rclpy': '7.1.5'},
        missing_ros_packages=(),
        environment=dict.fromkeys(PROFILE_VARIABLES, path),
        profiles=dict.fromkeys(PROFILE_VARIABLES, LARGE_PROFILE),
        large_image_profile=path,
        gpus=Gpus(('NVIDIA H100',), '550.1', '12.4', '12.6', 1),
        has_cpu_bfloat16=True,
        weights=WeightsFile('/weights/ldn121_road.safetensors'),
        shared_memory=SharedMemory(8 * 10**9, 7 * 10**9),
        ros_processes=(),
        log_directory='/home/robot/.ros/log',
        is_log_writable=True,
        socket_buffer_bytes=32 << 20,
    ), **changes)


def stamps(count=50, first_ns=START_NS, period_ns=PERIOD_NS):
    return tuple(first_ns + number * period_ns for number in range(count))


def camera_info(side, **changes):
    fields = camera_info_fields(geometry(), side)
    arrays = {name: tuple(map(float, fields[name])) for name in ('d', 'k', 'r', 'p')}
    return replace(seen.CameraInfo(
        **{**fields, **arrays, 'roi': seen.Region(**fields['roi'])}), **changes)


def endpoint(node, kind='image', **changes):
    return replace(seen.Endpoint(node, TYPES.get(kind, kind)), **changes)


def input_topic(role, stamps_ns=None, late_ns=5_000_000, **changes):
    """An input with a message every 100 ms that arrives 5 ms after its stamp."""
    side, kind = role.split('_')
    stamps_ns = stamps() if stamps_ns is None else tuple(stamps_ns)
    image = {'width': 160, 'height': 96, 'encoding': 'rgb8'}
    return replace(seen.InputTopic(
        role, TOPICS[role], TYPES[kind],
        publishers=(endpoint(f'/{side}_camera', kind),),
        subscribers=(endpoint(NODE, kind, reliability='best_effort'),),
        stamps_ns=stamps_ns,
        sent_ns=tuple(stamp + late_ns - 1_000_000 for stamp in stamps_ns),
        received_ns=tuple(stamp + late_ns for stamp in stamps_ns),
        **({'info': camera_info(side)} if kind == 'info' else image),
    ), **changes)


def inputs(**changed):
    """The four inputs, some of them exchanged."""
    roles = ('left_image', 'right_image', 'left_info', 'right_info')
    return tuple(changed.get(role) or input_topic(role) for role in roles)


def status(second=0, level=0, message='running', **values):
    counted = {'pairs_received': 10 * second, 'pairs_processed': 10 * second, **values}
    return seen.Status(
        START_NS + second * 10**9, level, message,
        {name.replace('__', '.'): str(value) for name, value in counted.items()})


def output(name='labels', *subscribers, **changes):
    return seen.OutputTopic(
        f'{NODE}/{name}', endpoint(NODE, **changes),
        subscribers or (endpoint('/planner'),))


def node(**changes):
    """The node at its defaults, on which a planner listens to the labels."""
    return replace(seen.NodeObservation(
        NODE, state='active',
        parameters={**PerceptionConfig().to_values(), 'use_sim_time': False},
        inputs={TOPICS[role]: TYPES[role.split('_')[1]] for role in TOPICS
                if role != 'external_disparity'},
        outputs=(output(), seen.OutputTopic(f'{NODE}/overlay', endpoint(NODE))),
        statuses=tuple(status(second) for second in range(5)),
    ), **changes)


def system(**changes):
    """A system where everything is as it should be."""
    return replace(seen.Observations(
        seconds=5.0, middleware='rmw_fastrtps_cpp', message_problem='', node_name=NODE,
        node=node(), inputs=inputs(),
        pair=seen.PairObservation(vertical_px=0.12, num_matches=321),
        image_topics=('/left/image_rect', '/right/image_rect')), **changes)


def told(finding):
    """State, found and advice of a finding, as one text to compare."""
    return f'{finding.state.value}: {finding.found} -> {finding.advice}'


def jittered(count=50, jitter_ns=40_000_000, seed=0):
    """Stamps that are off by up to the jitter."""
    noise = np.random.default_rng(seed).integers(-jitter_ns, jitter_ns, count)
    return tuple(int(stamp + off) for stamp, off in zip(stamps(count), noise, strict=True))
