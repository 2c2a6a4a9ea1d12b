# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rig files: what a head becomes, and everything that is refused before a node starts."""

from pathlib import Path
import re
from typing import Any

import pytest
import yaml

from ldn_perception.errors import ConfigError, RigError
from ldn_perception.ros.presets import StereoTopics
from ldn_perception.ros.rigs import StaticTransform, StereoHead, read_rig

CONFIG = Path(__file__).resolve().parents[2] / 'config'


def heads_of(folder: Path, *heads: dict[str, Any]) -> tuple[StereoHead, ...]:
    path = folder / 'rig.yaml'
    path.write_text(yaml.safe_dump({'heads': list(heads)}))
    return read_rig(path, CONFIG / 'presets')


def test_example_of_the_package() -> None:
    front, rear = read_rig(CONFIG / 'rigs' / 'front_rear.yaml', CONFIG / 'presets')
    assert (front.name, rear.name) == ('front', 'rear')
    assert front.topics.left_image(False) == '/front_zed/zed_node/left/color/rect/image'
    assert rear.topics.left_image(False) == '/rear/left/image_rect'
    assert front.parameters['output.points_max_range_m'] == 25.0, 'the preset of the ZED'
    assert rear.parameters['model.name'] == 'ldn_small'
    assert [transform.parent for transform in (*front.transforms, *rear.transforms)] == [
        'base_footprint', 'base_footprint', 'rear_camera']


def test_least_head(tmp_path: Path) -> None:
    assert heads_of(tmp_path, {'name': 'front'}) == (StereoHead('front', StereoTopics(), {}),)


def test_own_values_win_over_the_preset_and_short_names_over_parameters(tmp_path: Path) -> None:
    (head,) = heads_of(tmp_path, {
        'name': 'front', 'preset': 'zed', 'right': '/r', 'model': 'ldn_small',
        'parameters': {'stereo.max_disparity': 64, 'model.name': 'ldn121'}, 'respawn': False})
    assert head.topics == StereoTopics(
        left='/zed/zed_node/left/color/rect', right='/r', image='image')
    assert head.parameters['stereo.max_disparity'] == 64
    assert head.parameters['model.name'] == 'ldn_small'
    assert head.parameters['input.synchronization'] == 'exact'
    assert head.respawn is False


def test_paths_are_relative_to_the_rig_file(tmp_path: Path) -> None:
    (tmp_path / 'own.yaml').write_text('/**: {ros__parameters: {stereo.max_disparity: 64}}')
    (tmp_path / 'own.safetensors').touch()
    (tmp_path / 'camera.yaml').write_text('topics: {left: /l}')
    (head,) = heads_of(tmp_path, {
        'name': 'front', 'preset': './camera.yaml', 'params_file': 'own.yaml',
        'weights': 'own.safetensors'})
    assert head.topics.left == '/l'
    assert head.params_file == tmp_path / 'own.yaml'
    assert head.parameters['model.weights'] == str(tmp_path / 'own.safetensors')


def test_launch_arguments_say_the_same_as_the_head(tmp_path: Path) -> None:
    (head,) = heads_of(tmp_path, {
        'name': 'front', 'left': '/l', 'weights': '', 'parameters': {
            'input': {'slop_s': 0.0005}, 'segmentation.ood_threshold': -1,
            'inference.multi_scale': True}})
    arguments = head.launch_arguments()
    parameters = arguments.pop('parameters')
    assert '\n' not in parameters
    assert yaml.safe_load(parameters) == dict(head.parameters) == {
        'input.slop_s': 0.0005, 'segmentation.ood_threshold': -1.0, 'model.weights': '',
        'inference.multi_scale': True}
    assert arguments == {
        'namespace': 'front', 'left': '/l', 'right': 'right', 'image': '',
        'external_disparity': 'external_disparity', 'respawn': 'true'}


def test_transforms_are_read(tmp_path: Path) -> None:
    (head,) = heads_of(tmp_path, {
        'name': 'front', 'extrinsics': {'parent': 'base', 'child': 'cam', 'z': 1.4}})
    assert head.transforms == (StaticTransform('base', 'cam', z=1.4),)


POSE = {'parent': 'base', 'child': 'cam'}
WRONG_HEADS = [
    ([{'name': 'a'}, {'name': 'a'}], RigError,
     'name of a head must be there once, got a twice: rename one of them'),
    ([{'name': 'a', 'extrinsics': POSE}, {'name': 'b', 'extrinsics': POSE}], RigError,
     'child or optical_frame of a head must be there once, got cam twice: rename one of them'),
    ([{'name': 'a/b'}], RigError, 'name of head 1 must be a word of letters, digits and'),
    ([{'name': 'a'}, {}], RigError, 'name of head 2 must be a word of letters, digits and'),
    ([{'name': 'a', 'modle': 'x'}], RigError, 'key of head 1 must be one of name, preset, camera'),
    (['front'], RigError, "head 1 must be a mapping, got 'front': give any of name, preset"),
    ([{'name': 'a', 'model': 'ldn999'}], ConfigError,
     'model.name of head a must be one of ldn121, '),
    ([{'name': 'a', 'device': 'gpu'}], ConfigError,
     "inference.device of head a must be one of auto, cuda, cpu, got 'gpu': choose one"),
    ([{'name': 'a', 'weights': '/none'}], RigError,
     'model.weights of head a must be an existing file, got /none: check the path'),
    ([{'name': 'a', 'params_file': '/none'}], RigError,
     'params_file of head a must be an existing file, got /none: check the path'),
    ([{'name': 'a', 'preset': 'zde'}], RigError, 'preset must be one of cityscapes, kitti, '),
    ([{'name': 'a', 'left': 'a b'}], RigError, 'left of head a must be the name of a topic, got'),
    ([{'name': 'a', 'extrinsics': {**POSE, 'x': float('nan')}}], RigError,
     'x of extrinsics of head a must be a finite number, got nan: measure it again'),
    ([{'name': 'a', 'parameters': {'stereo.max_disparity': 100}}], RigError,
     'parameters of head a must be ones the node takes, got "stereo.max_disparity must be '),
    ([{'name': 'a', 'parameters': {'stereo.maximum': 1}}], RigError,
     "parameter of head a must be an option of the node, got 'stereo.maximum': "),
    ([{'name': 'a', 'respawn': 'yes'}], RigError,
     "respawn of head a must be true or false, got 'yes': choose one"),
]


@pytest.mark.parametrize(('heads', 'kind', 'sentence'), WRONG_HEADS)
def test_wrong_head(
    tmp_path: Path, heads: list[dict[str, Any]], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        heads_of(tmp_path, *heads)


@pytest.mark.parametrize(('text', 'sentence'), [
    ('', 'heads of rig rig.yaml must be a list of at least one head, got None: start from'),
    ('heads: []', 'heads of rig rig.yaml must be a list of at least one head, got []: start'),
    ('heads: {front: {}}', 'heads of rig rig.yaml must be a list of at least one head, got {'),
    ('cameras: []', "key of rig rig.yaml must be one of heads, got 'cameras': correct the name"),
    ('- a', "rig rig.yaml must be a mapping, got ['a']: give any of heads"),
])
def test_wrong_file(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / 'rig.yaml'
    path.write_text(text)
    with pytest.raises(RigError, match=re.escape(sentence)):
        read_rig(path, CONFIG / 'presets')


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r'rig must be an existing YAML file, got .*none\.yaml: '):
        read_rig(tmp_path / 'none.yaml', CONFIG / 'presets')
