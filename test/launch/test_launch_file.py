# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file and what it names, read without running them."""

import ast
from dataclasses import fields
from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from ldn_perception.config import options
from ldn_perception.ros.presets import StereoTopics

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / 'launch' / 'stereo_seg.launch.py').read_text()
TREE = ast.parse(SOURCE)
EXPECTED_ARGUMENTS = {
    'namespace', 'preset', 'camera', 'left', 'right', 'image', 'external_disparity', 'params_file',
    'parameters', 'use_sim_time', 'device', 'model', 'weights', 'matcher', 'rectify', 'autostart',
    'rviz', 'rviz_frame', 'log_level', 'large_image_profile', 'respawn',
}


def declarations() -> list[ast.Call]:
    return [
        node for node in ast.walk(TREE)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DeclareLaunchArgument'
    ]


def option_of_argument() -> dict[str, str]:
    values = [
        node.value for node in TREE.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'OPTION_OF_ARGUMENT'
    ]
    return ast.literal_eval(values[0])


def declared_arguments() -> set[str]:
    names = {
        call.args[0].value for call in declarations() if isinstance(call.args[0], ast.Constant)}
    return names | set(option_of_argument())


def used_arguments() -> set[str]:
    subscripts = {
        node.slice.value for node in ast.walk(TREE)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == 'given'
        and isinstance(node.slice, ast.Constant)
    }
    topics = {entry.name for entry in fields(StereoTopics)}  # all of them, in a loop
    return subscripts | topics | set(option_of_argument())


def test_arguments_are_those_users_expect() -> None:
    assert declared_arguments() == EXPECTED_ARGUMENTS


def test_every_argument_is_used_and_every_used_one_is_declared() -> None:
    assert used_arguments() == declared_arguments()


def test_every_argument_has_a_description_and_a_default() -> None:
    for call in declarations():
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert len(keywords['description']) > 20
        assert 'default_value' in keywords


def test_every_parameter_is_an_option_of_the_node() -> None:
    assert set(option_of_argument().values()) <= {option.name for option in options()}


def test_executable_is_one_that_is_installed() -> None:
    assert "executable='stereo_seg_node'" in SOURCE
    assert "'stereo_seg_node = {PACKAGE}.ros.nodes.stereo_seg_node:main'" in (
        ROOT / 'setup.py').read_text()


def test_files_of_the_share_directory_are_there() -> None:
    named = {
        node.right.value for node in ast.walk(TREE)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        and isinstance(node.right, ast.Constant) and '.' in node.right.value
    }
    assert named == {'stereo_seg.yaml', 'stereo_seg.rviz', 'fastdds_large_images.xml'}
    assert (ROOT / 'config' / 'presets').is_dir()
    assert all((ROOT / 'config' / name).is_file() for name in named)


def test_parameter_file_is_for_the_node_in_every_namespace() -> None:
    tree = yaml.safe_load((ROOT / 'config' / 'stereo_seg.yaml').read_text())
    assert list(tree) in (['/**'], ['/**/stereo_seg_node'])


@pytest.mark.parametrize(('tag', 'value'), [
    ('segment_size', '67108864'), ('maxMessageSize', '16777216'),
    ('useBuiltinTransports', 'false'),
])
def test_profile_has_shared_memory_for_stereo_pairs(tag: str, value: str) -> None:
    root = ElementTree.parse(ROOT / 'config' / 'fastdds_large_images.xml').getroot()
    assert [node.text for node in root.iter(f'{{{root.tag[1:].split("}")[0]}}}{tag}')] == [value]
