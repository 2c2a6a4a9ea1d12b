# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start a perception node for each stereo head of a vehicle, and publish their poses on tf."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from ldn_perception.errors import RigError
from ldn_perception.ros.rigs import StaticTransform, StereoHead, read_rig

SHARE = Path(__file__).resolve().parents[1]
HEAD_LAUNCH_FILE = SHARE / 'launch' / 'stereo_seg.launch.py'
SHARED_ARGUMENTS = ('use_sim_time', 'log_level', 'large_image_profile')
"""Launch arguments passed unchanged to every head."""
SWITCH = ['true', 'false']


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, then start the nodes of the rig file."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'rig', description='YAML file of the stereo heads: see config/rigs/front_rear.yaml.'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description="Namespace above those of the heads, as the vehicle's name."),
        DeclareLaunchArgument(
            'publish_tf', default_value='true', choices=SWITCH,
            description='Publish the extrinsics of the heads as static transforms; false where a '
            'robot description does. Needs the package tf2_ros.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=SWITCH,
            description='Take the time from /clock, as for a bag played with --clock.'),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='What the nodes write to their logs.'),
        DeclareLaunchArgument(
            'large_image_profile', default_value='true', choices=SWITCH,
            description='Give Fast DDS shared memory for whole stereo pairs, unless the '
            'environment names a profile already.'),
        DeclareLaunchArgument(
            'rviz', default_value='',
            description='Name of the head to show in RViz; left empty, none.'),
        OpaqueFunction(function=_start),
    ])


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = dict(context.launch_configurations)
    heads = read_rig(Path(given['rig']), SHARE / 'config' / 'presets')
    transforms = [transform for head in heads for transform in head.transforms]
    if given['publish_tf'] == 'false':
        transforms = []
    if transforms:
        _check_tf2_ros()
    names = [head.name for head in heads]
    if given['rviz'] not in ('', *names):
        raise RigError(
            'rviz', must_be=f'empty or one of {", ".join(names)}', got=repr(given['rviz']),
            do='name a head of the rig')
    return [
        *(_transform_publisher(transform, given) for transform in transforms),
        *(_head(head, given) for head in heads),
    ]


def _check_tf2_ros() -> None:
    try:
        get_package_prefix('tf2_ros')
    except PackageNotFoundError:
        raise RigError(
            'tf2_ros', must_be='installed to publish the extrinsics of the rig',
            got='no such package', do='install it, or give publish_tf:=false') from None


def _transform_publisher(transform: StaticTransform, given: dict[str, str]) -> Node:
    return Node(
        package='tf2_ros',
        executable='static_transform_publisher',
        name=f'tf_of_{transform.child.replace("/", "_").replace("-", "_")}',
        namespace=given['namespace'],
        arguments=transform.arguments(),
        parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
        ros_arguments=['--log-level', given['log_level']],
        respawn=True,
        respawn_delay=2.0,
        output='screen',
    )


def _head(head: StereoHead, given: dict[str, str]) -> GroupAction:
    arguments = {
        **head.launch_arguments(),
        **{name: given[name] for name in SHARED_ARGUMENTS},
        'namespace': '/'.join(filter(None, [given['namespace'], head.name])),
    }
    if given['rviz'] == head.name:
        arguments['rviz'] = 'true'
        if head.transforms:
            arguments['rviz_frame'] = head.transforms[0].parent
    # Without forwarding: arguments of one head must not become defaults of the next one.
    return GroupAction(
        [IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(HEAD_LAUNCH_FILE)),
            launch_arguments=arguments.items())],
        forwarding=False)
