# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Presets: those that come with the package, and what is refused."""

from pathlib import Path
import re

import pytest

from ldn_perception.config import PerceptionConfig
from ldn_perception.errors import ConfigError, RigError
from ldn_perception.ros.presets import Preset, StereoTopics, preset_names, read_preset

PRESETS = Path(__file__).resolve().parents[2] / 'config' / 'presets'
LEFT_IMAGES = {
    'cityscapes': 'left/image_rect',
    'kitti': 'left/image_rect',
    'oakd': '/oak/left/image_raw',
    'realsense': '/camera/camera/infra1/image_rect_raw',
    'zed': '/zed/zed_node/left/color/rect/image',
    'zed_before_5_1': '/zed/zed_node/left/image_rect_color',
}
"""Left images of the drivers, as their own documentation names them."""
RIGHT_INFOS = {
    'cityscapes': 'right/camera_info',
    'kitti': 'right/camera_info',
    'oakd': '/oak/right/camera_info',
    'realsense': '/camera/camera/infra2/camera_info',
    'zed': '/zed/zed_node/right/color/rect/camera_info',
    'zed_before_5_1': '/zed/zed_node/right/camera_info',
}
DRIVERS = {
    'oakd': r'depthai_ros_driver \(depthai-ros\) 2\.10\.3',
    'realsense': r'realsense2_camera \(realsense-ros\) 4\.58\.2',
    'zed': r'zed_wrapper \(zed-ros2-wrapper\) 5\.1\.0 to 5\.4\.1',
    'zed_before_5_1': r'zed_wrapper \(zed-ros2-wrapper\) before 5\.1\.0',
}
"""Versions whose layout a preset follows, as it must say."""


def shipped(name: str, camera: str = '') -> Preset:
    return read_preset(name, camera, PRESETS, Path())


def test_presets_of_the_package_are_those_of_the_tables() -> None:
    assert preset_names(PRESETS) == sorted(LEFT_IMAGES) == sorted(RIGHT_INFOS)


@pytest.mark.parametrize('name', LEFT_IMAGES)
def test_topics_are_those_of_the_driver(name: str) -> None:
    remappings = dict(shipped(name).topics.remappings())
    assert remappings['left/image_rect'] == LEFT_IMAGES[name]
    assert remappings['right/camera_info'] == RIGHT_INFOS[name]


@pytest.mark.parametrize('name', LEFT_IMAGES)
def test_parameters_make_a_configuration(name: str) -> None:
    parameters = dict(shipped(name).parameters)
    values = PerceptionConfig.from_values(parameters).to_values()
    assert {key: values[key] for key in parameters} == parameters
    assert parameters


@pytest.mark.parametrize('name', DRIVERS)
def test_comment_says_which_version_of_the_driver(name: str) -> None:
    assert re.search(DRIVERS[name], (PRESETS / f'{name}.yaml').read_text().replace('\n# ', ' '))


@pytest.mark.parametrize('name', DRIVERS)
def test_camera_of_another_name(name: str) -> None:
    topics = shipped(name, 'front').topics
    assert topics.left.startswith('/front/')
    assert topics.right.startswith('/front/')


@pytest.mark.parametrize('name', ['kitti', ''])
def test_camera_where_no_topic_has_its_name(name: str) -> None:
    with pytest.raises(RigError, match=r'camera must be left out, as (preset kitti|no preset) has '
                       r"no topics with the name of a camera, got 'front': give left and right"):
        shipped(name, 'front')


def test_no_preset_is_what_the_node_listens_to() -> None:
    assert shipped('') == Preset(StereoTopics(), {})


def test_unknown_name() -> None:
    with pytest.raises(RigError, match=re.escape(
            'preset must be one of cityscapes, kitti, oakd, realsense, zed, zed_before_5_1, or '
            "the path of a YAML file, got 'zde': choose one of them")):
        shipped('zde')


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r'preset must be an existing YAML file, got .*/mine\.yaml'):
        read_preset('mine.yaml', '', PRESETS, tmp_path)


def test_own_file_is_read(tmp_path: Path) -> None:
    (tmp_path / 'mine.yaml').write_text(
        'camera: a\ntopics: {left: "/{camera}/l"}\nparameters: {stereo: {max_disparity: 64}}\n')
    expected = Preset(StereoTopics(left='/b/l'), {'stereo.max_disparity': 64})
    assert read_preset('mine.yaml', 'b', PRESETS, tmp_path) == expected


@pytest.mark.parametrize(('text', 'kind', 'sentence'), [
    ('topic: {}', RigError, 'key of preset mine must be one of camera, topics, parameters, got'),
    ('topics: {left: 1}', RigError, 'left of topics of preset mine must be text, got 1: '),
    ('topics: {rigth: /a}', RigError, 'key of topics of preset mine must be one of left, right,'),
    ('topics: {left: "/{camera}/l"}', RigError,
     "left of topics of preset mine must be the name of a topic, got '//l': use letters"),
    ('parameters: {stereo: {max: 1}}', RigError,
     "parameter of preset mine must be an option of the node, got 'stereo.max': "),
    ('parameters: {stereo: {block_size: 99}}', ConfigError,
     'stereo.block_size of preset mine must be in [0, 51], got 99: '),
])
def test_wrong_file(tmp_path: Path, text: str, kind: type[Exception], sentence: str) -> None:
    (tmp_path / 'mine.yaml').write_text(text)
    with pytest.raises(kind, match=re.escape(sentence)):
        read_preset(str(tmp_path / 'mine.yaml'), '', PRESETS, Path())
