# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What `ros2 launch --show-args` prints: every argument is explained."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ldn_perception.ros.presets import preset_names
from ldn_perception.ros.rigs import read_rig

ROOT = Path(__file__).resolve().parents[2]
RIG_ARGUMENTS = {
    'rig', 'namespace', 'publish_tf', 'use_sim_time', 'log_level', 'large_image_profile', 'rviz'}


def arguments(launch_file: str) -> dict[str, Any]:
    """Declarations of a launch file by name, as --show-args reads them."""
    pytest.importorskip(
        'launch_ros', reason='launch and launch_ros come only with a ROS 2 installation')
    from launch import LaunchContext
    from launch.launch_description_sources import PythonLaunchDescriptionSource
    source = PythonLaunchDescriptionSource(str(ROOT / 'launch' / launch_file))
    description = source.get_launch_description(LaunchContext())
    return {declared.name: declared for declared in description.get_launch_arguments()}


def default_of(declared: Any) -> str | None:
    """Text of a default; None where there is none."""
    if declared.default_value is None:
        return None
    from launch import LaunchContext
    from launch.utilities import perform_substitutions
    return perform_substitutions(LaunchContext(), declared.default_value)


@pytest.mark.parametrize('launch_file', ['stereo_seg.launch.py', 'vehicle_rig.launch.py'])
def test_every_argument_is_explained_by_sentences(launch_file: str) -> None:
    for name, declared in arguments(launch_file).items():
        text = declared.description.split(' Valid choices are: ')[0]
        assert len(text) > 20, name
        assert text.endswith('.'), name


def test_rig_needs_a_file_and_nothing_else() -> None:
    declared = arguments('vehicle_rig.launch.py')
    assert set(declared) == RIG_ARGUMENTS
    assert {name for name in declared if default_of(declared[name]) is None} == {'rig'}


def test_every_argument_of_a_camera_has_a_default() -> None:
    declared = arguments('stereo_seg.launch.py')
    assert None not in {default_of(argument) for argument in declared.values()}
    assert yaml.safe_load(default_of(declared['parameters'])) == {}


def test_presets_are_listed() -> None:
    description = arguments('stereo_seg.launch.py')['preset'].description
    assert ', '.join(preset_names(ROOT / 'config' / 'presets')) in description


def test_heads_give_arguments_that_the_launch_file_of_a_camera_has() -> None:
    declared = arguments('stereo_seg.launch.py')
    heads = read_rig(ROOT / 'config/rigs/front_rear.yaml', ROOT / 'config/presets')
    given = {name for head in heads for name in head.launch_arguments()}
    assert given <= set(declared)
    assert len(given) > 5
