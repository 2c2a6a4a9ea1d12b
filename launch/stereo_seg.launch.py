# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start the perception node on one stereo camera, and optionally RViz on its results."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch_ros.actions import Node

from ldn_perception.config import Value, options
from ldn_perception.errors import ConfigError
from ldn_perception.ros.presets import (
    StereoTopics,
    check_agreement,
    check_parameters,
    parse_yaml,
    preset_names,
    read_preset,
)

SHARE = Path(__file__).resolve().parents[1]
PRESETS = SHARE / 'config' / 'presets'
OPTIONS = {option.name: option for option in options()}
OPTION_OF_ARGUMENT = {
    'device': 'inference.device',
    'model': 'model.name',
    'weights': 'model.weights',
    'matcher': 'stereo.matcher',
    'rectify': 'input.rectify',
    'autostart': 'autostart',
}
"""Launch arguments that override everything else if they are not empty."""
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Environment variables of the Fast DDS profile: up to ROS 2 Jazzy, and from Kilted on."""
SHOWN_OUTPUTS = (
    'overlay', 'labels_color', 'ood_mask', 'free_road', 'free_road_grid', 'points')
"""Private topics of the node that stereo_seg.rviz displays."""
SWITCH = ['true', 'false']


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, then start the requested processes."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'namespace', default_value='', description='Namespace of the node and its topics.'),
        DeclareLaunchArgument(
            'preset', default_value='',
            description='Topics and parameters for a kind of camera: '
            f'{", ".join(preset_names(PRESETS))}, or the path of a YAML file like these in '
            'config/presets. Its parameters win over params_file.'),
        DeclareLaunchArgument(
            'camera', default_value='',
            description="Name that the camera's driver was started with, for a preset with "
            "{camera} in its topics; left empty, the driver's default."),
        DeclareLaunchArgument(
            'left', default_value='',
            description='Namespace of the left camera: <left>/image_rect (image_raw if the node '
            'is to rectify), <left>/camera_info; left empty, that of the preset, or left.'),
        DeclareLaunchArgument(
            'right', default_value='',
            description='Namespace of the right camera, as the left one; left empty, that of the '
            'preset, or right.'),
        DeclareLaunchArgument(
            'image', default_value='',
            description="Name of the images in the cameras' namespaces; left empty, that of the "
            'preset, or image_rect, or image_raw if the node is to rectify.'),
        DeclareLaunchArgument(
            'external_disparity', default_value='',
            description='Topic of the DisparityImages, where the matcher is external; left empty, '
            'that of the preset, or external_disparity.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(SHARE / 'config' / 'stereo_seg.yaml'),
            description='YAML file with the parameters of the node.'),
        DeclareLaunchArgument(
            'parameters', default_value='{}',
            description='More parameters, as a YAML mapping: "{stereo.max_disparity: 192}". They '
            'win over preset and params_file.'),
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
            description='Show camera image, results, free road, points and tf in RViz.'),
        DeclareLaunchArgument(
            'rviz_frame', default_value='left_camera_optical_frame',
            description='Fixed frame of RViz: frame_id of the left images, or one tf leads to.'),
        OpaqueFunction(function=_start),
    ])


def _override(argument: str, name: str) -> DeclareLaunchArgument:
    option = OPTIONS[name]
    # `choices` of launch would report a wrong value twice, at great length.
    choices = ', '.join(SWITCH if option.type is bool else option.choices)
    return DeclareLaunchArgument(
        argument, default_value='',
        description=f'{option.doc} {f"One of {choices}. " if choices else ""}Parameter {name}; '
        'left empty, what is given otherwise decides.')


def _start(context: LaunchContext) -> list[Node]:
    given = context.launch_configurations
    _check_params_file(given['params_file'])
    preset = read_preset(given['preset'], given['camera'], PRESETS, Path())
    topics = StereoTopics.from_tree({
        name: given[name] or getattr(preset.topics, name)
        for name in ('left', 'right', 'image', 'external_disparity')}, 'the launch arguments')
    parameters = {**preset.parameters, **_parameters(given)}
    params_file = Path(given['params_file']) if given['params_file'] else None
    check_agreement(params_file, parameters, 'the node')
    # RViz first: if it is not installed, the launch fails before a node is started.
    rviz = [_rviz(given, topics, parameters)] if given['rviz'] == 'true' else []
    return [*rviz, _perception_node(given, topics, parameters)]


def _check_params_file(path: str) -> None:
    if path and not Path(path).is_file():
        raise ConfigError('params_file', must_be='an existing file', got=path, do='check the path')


def _parameters(given: dict[str, str]) -> dict[str, Value]:
    place = 'the launch arguments'
    named = {
        name: given[argument] for argument, name in OPTION_OF_ARGUMENT.items() if given[argument]}
    switches = {
        name: text == 'true' for name, text in named.items()
        if OPTIONS[name].type is bool and text in SWITCH}
    return {
        **check_parameters(parse_yaml(given['parameters'], 'parameters'), place, Path()),
        **check_parameters({**named, **switches}, place, Path()),
        'use_sim_time': given['use_sim_time'] == 'true',
    }


def _perception_node(
    given: dict[str, str], topics: StereoTopics, parameters: Mapping[str, Value]
) -> Node:
    return Node(
        package='ldn_perception',
        executable='stereo_seg_node',
        name='stereo_seg_node',
        namespace=given['namespace'],
        parameters=[*filter(None, [given['params_file']]), dict(parameters)],
        remappings=topics.remappings(),
        ros_arguments=['--log-level', given['log_level']],
        additional_env=_environment(given),
        respawn=given['respawn'] == 'true',
        respawn_delay=2.0,
        output='screen',
    )


def _environment(given: dict[str, str]) -> dict[str, str]:
    own_profile = any(os.environ.get(variable) for variable in PROFILE_VARIABLES)
    if given['large_image_profile'] == 'false' or own_profile:
        return {}
    profile = str(SHARE / 'config' / 'fastdds_large_images.xml')
    return dict.fromkeys(PROFILE_VARIABLES, profile)


def _rviz(
    given: dict[str, str], topics: StereoTopics, parameters: Mapping[str, Value]
) -> Node:
    config = SHARE / 'config' / 'stereo_seg.rviz'
    rectify = bool(parameters.get('input.rectify'))
    return Node(
        package='rviz2',
        executable='rviz2',
        namespace=given['namespace'],
        arguments=['-d', str(config), '-f', given['rviz_frame']],
        parameters=[{'use_sim_time': given['use_sim_time'] == 'true'}],
        remappings=[
            ('/left/image_rect', topics.left_image(rectify)),
            *((f'/stereo_seg_node/{output}', f'stereo_seg_node/{output}')
              for output in SHOWN_OUTPUTS),
        ],
        additional_env=_environment(given),
        output='screen',
    )
