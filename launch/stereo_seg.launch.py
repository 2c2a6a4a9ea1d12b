# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start the perception node on one stereo camera, and RViz on its results if asked to."""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from ldn_perception.config import options
from ldn_perception.errors import ConfigError

SHARE = Path(__file__).resolve().parents[1]
OPTIONS = {option.name: option for option in options()}
OPTION_OF_ARGUMENT = {
    'device': 'inference.device',
    'model': 'model.name',
    'weights': 'model.weights',
    'matcher': 'stereo.matcher',
    'rectify': 'input.rectify',
    'autostart': 'autostart',
}
"""Launch arguments that win over params_file when they are not empty."""
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Where Fast DDS looks for its profile: up to ROS 2 Jazzy, and from Kilted on."""
SWITCH = ['true', 'false']


def generate_launch_description() -> LaunchDescription:
    """List the arguments, then start what they ask for."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node and its topics.'),
        DeclareLaunchArgument(
            'left', default_value='left',
            description='Namespace of the left camera: <left>/image_rect (image_raw if the node '
            'is to rectify), <left>/camera_info.'),
        DeclareLaunchArgument(
            'right', default_value='right',
            description='Namespace of the right camera, as the left one.'),
        DeclareLaunchArgument(
            'image', default_value='',
            description="Name of the images in the cameras' namespaces; left empty, image_rect, "
            'or image_raw if the node is to rectify.'),
        DeclareLaunchArgument(
            'external_disparity', default_value='external_disparity',
            description='Topic of the DisparityImages, where the matcher is external.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(SHARE / 'config' / 'stereo_seg.yaml'),
            description='YAML file with the parameters of the node.'),
        *(_override(argument, name) for argument, name in OPTION_OF_ARGUMENT.items()),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=SWITCH,
            description='Take the time from /clock, as for a bag played with --clock.'),
        DeclareLaunchArgument(
            'log_level', default_value='info', choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='What the node writes to its log.'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=SWITCH,
            description='Start the node again 2 s after it died.'),
        DeclareLaunchArgument(
            'large_image_profile', default_value='true', choices=SWITCH,
            description='Give Fast DDS shared memory for whole stereo pairs, unless the '
            'environment names a profile already.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=SWITCH,
            description='Show overlay, out-of-distribution mask and points in RViz.'),
        DeclareLaunchArgument(
            'rviz_frame', default_value='left_camera_optical_frame',
            description='Fixed frame of RViz: frame_id of the left images, or one tf leads to.'),
        OpaqueFunction(function=_start),
    ])


def _override(argument: str, name: str) -> DeclareLaunchArgument:
    option = OPTIONS[name]
    choices = SWITCH if option.type is bool else list(option.choices)
    return DeclareLaunchArgument(
        argument, default_value='', choices=['', *choices] if choices else None,
        description=f'{option.doc} Parameter {name}; left empty, params_file decides.')


def _start(context: LaunchContext) -> list[Node]:
    given = context.launch_configurations
    for argument in ('params_file', 'weights'):
        _check_file(argument, given[argument])
    # RViz first: a launch that fails because it is not installed then leaves no node behind.
    rviz = [_rviz(given)] if given['rviz'] == 'true' else []
    return [*rviz, _perception_node(given)]


def _check_file(argument: str, path: str) -> None:
    if path not in ('', 'shipped') and not Path(path).is_file():
        raise ConfigError(argument, must_be='an existing file', got=path, do='check the path')


def _perception_node(given: dict[str, str]) -> Node:
    return Node(
        package='ldn_perception',
        executable='stereo_seg_node',
        name='stereo_seg_node',
        namespace=given['namespace'],
        parameters=[*filter(None, [given['params_file']]), _parameters(given)],
        remappings=[
            *_camera_topics('left', given['left'], given['image']),
            *_camera_topics('right', given['right'], given['image']),
            ('external_disparity', given['external_disparity']),
        ],
        ros_arguments=['--log-level', given['log_level']],
        additional_env=_environment(given),
        respawn=given['respawn'] == 'true',
        respawn_delay=2.0,
        output='screen',
    )


def _parameters(given: dict[str, str]) -> dict[str, bool | str]:
    parameters: dict[str, bool | str] = {'use_sim_time': given['use_sim_time'] == 'true'}
    for argument, name in OPTION_OF_ARGUMENT.items():
        text = given[argument]
        if text:
            parameters[name] = text == 'true' if OPTIONS[name].type is bool else text
    return parameters


def _camera_topics(side: str, camera: str, image: str) -> list[tuple[str, str]]:
    return [
        *(
            (f'{side}/{name}{transport}', f'{camera}/{image or name}{transport}')
            for name in ('image_rect', 'image_raw') for transport in ('', '/compressed')),
        (f'{side}/camera_info', f'{camera}/camera_info'),
    ]


def _environment(given: dict[str, str]) -> dict[str, str]:
    own_profile = any(os.environ.get(variable) for variable in PROFILE_VARIABLES)
    if given['large_image_profile'] == 'false' or own_profile:
        return {}
    profile = str(SHARE / 'config' / 'fastdds_large_images.xml')
    return dict.fromkeys(PROFILE_VARIABLES, profile)


def _rviz(given: dict[str, str]) -> Node:
    config = SHARE / 'config' / 'stereo_seg.rviz'
    outputs = ('overlay', 'ood_mask', 'points')
    return Node(
        package='rviz2',
        executable='rviz2',
        namespace=given['namespace'],
        arguments=['-d', str(config), '-f', given['rviz_frame']],
        parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
        remappings=[
            (f'/stereo_seg_node/{output}', f'stereo_seg_node/{output}') for output in outputs],
        output='screen',
    )
