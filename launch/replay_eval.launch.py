# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag with ground truth to the perception node, live, and score its results.

Arguments of stereo_seg.launch.py are accepted too. The launch ends by itself, with exit code 0 if
something was scored.
"""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from ldn_perception.errors import BagError, ConfigError, EvaluationError

SHARE = Path(__file__).resolve().parents[1]
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Environment variables of the Fast DDS profile: up to ROS 2 Jazzy, and from Kilted on."""
EVALUATION_PARAMETERS = ('output', 'ood_output', 'ground_truth_taxonomy')
"""Launch arguments passed unchanged to evaluation_node as parameters."""


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, then start node, player and evaluation."""
    return LaunchDescription([
        DeclareLaunchArgument(
            'bag', description='Bag with a stereo rig and ground_truth/labels, foreign or '
            'disparity, as ldn synthesize writes it.'),
        DeclareLaunchArgument(
            'rates', default_value='1',
            description='Speeds to play it at, one pass after the other: 1,2,4.'),
        DeclareLaunchArgument(
            'laps', default_value='1', description='How often each pass plays the bag; 0 = until '
            'Ctrl-C.'),
        DeclareLaunchArgument(
            'output', default_value='replay_eval',
            description='Folder for evaluation.json and evaluation.jsonl.'),
        DeclareLaunchArgument(
            'ood_output', default_value='foreign_probability',
            choices=['foreign_probability', 'ood_mask'],
            description='Result that is held against foreign objects.'),
        DeclareLaunchArgument(
            'ground_truth_taxonomy', default_value='cityscapes',
            description='Classes of the ground-truth labels.'),
        DeclareLaunchArgument(
            'wait_s', default_value='120.0',
            description='Time the three have to find each other [s].'),
        # Before any process is started: a launch that fails here leaves no node behind.
        OpaqueFunction(function=_check),
        OpaqueFunction(function=_share_profile),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(
            str(Path(__file__).with_name('stereo_seg.launch.py')))),
        OpaqueFunction(function=_start),
    ])


def _check(context: LaunchContext) -> None:
    given = context.launch_configurations
    if not Path(given['bag']).exists():
        raise BagError('bag', must_be='an existing bag', got=given['bag'], do='check the path')
    try:
        float(given['wait_s'])
    except ValueError:
        raise ConfigError(
            'wait_s', must_be='a number of seconds', got=given['wait_s'],
            do='say for example wait_s:=300') from None


def _share_profile(context: LaunchContext) -> list[Action]:
    """Give all three processes the shared-memory profile of stereo_seg.launch.py."""
    own_profile = any(os.environ.get(variable) for variable in PROFILE_VARIABLES)
    if own_profile or context.launch_configurations.get('large_image_profile') == 'false':
        return []
    profile = str(SHARE / 'config' / 'fastdds_large_images.xml')
    return [SetEnvironmentVariable(variable, profile) for variable in PROFILE_VARIABLES]


def _start(context: LaunchContext) -> list[Action]:
    given = context.launch_configurations
    return [
        # Registered first, so that no exit is missed.
        RegisterEventHandler(OnProcessExit(on_exit=_on_exit)),
        _evaluation(given),
        _player(given),
    ]


def _evaluation(given: dict[str, str]) -> Node:
    parameters = {name: given[name] for name in EVALUATION_PARAMETERS}
    return Node(
        package='ldn_perception',
        executable='evaluation_node',
        name='evaluation_node',
        namespace=given['namespace'],
        parameters=[{**parameters, 'wait_s': float(given['wait_s'])}],
        output='screen',
    )


def _player(given: dict[str, str]) -> Node:
    switches = {
        '--raw': given['rectify'] == 'true',
        '--clock': given['use_sim_time'] == 'true',
    }
    return Node(
        package='ldn_perception',
        executable='bag_player',
        namespace=given['namespace'],
        arguments=[
            given['bag'], '--rate', given['rates'], '--laps', given['laps'], '--ground-truth',
            '--paced-by', 'evaluation_node/ready', '--wait-s', given['wait_s'],
            *(switch for switch, wanted in switches.items() if wanted)],
        output='log',
    )


def _on_exit(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """End the launch when the evaluation exits or any process fails."""
    if context.is_shutdown:
        return None
    name = event.action.node_executable if isinstance(event.action, Node) else event.process_name
    if event.returncode or name == 'stereo_seg_node':
        raise EvaluationError(
            name, must_be='running until the evaluation is over',
            got=f'exit code {event.returncode}', do='read its last lines above')
    return EmitEvent(event=Shutdown(reason='the evaluation is over')) if (
        name == 'evaluation_node') else None
