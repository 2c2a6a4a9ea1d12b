# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of launch files are checked against the options before a process starts."""

from pathlib import Path
import re

import pytest

from ldn_perception.errors import ConfigError, RigError
from ldn_perception.ros.presets import check_agreement, check_parameters


def test_nested_and_dotted_names_are_the_same(tmp_path: Path) -> None:
    expected = {'stereo.max_disparity': 192, 'input.slop_s': 1.0, 'model.name': 'ldn_small'}
    assert check_parameters(
        {'stereo': {'max_disparity': 192}, 'input.slop_s': 1, 'model': {'name': 'ldn_small'}},
        'it', tmp_path) == expected
    assert check_parameters(expected, 'it', tmp_path) == expected
    assert check_parameters(None, 'it', tmp_path) == {}


def test_an_int_becomes_the_double_that_the_node_declares(tmp_path: Path) -> None:
    assert type(check_parameters({'input.slop_s': 1}, 'it', tmp_path)['input.slop_s']) is float


def test_qos_overrides_pass(tmp_path: Path) -> None:
    values = {'qos_overrides': {'/depth': {'publisher': {'depth': 3}}}}
    assert check_parameters(values, 'it', tmp_path) == {
        'qos_overrides./depth.publisher.depth': 3}


@pytest.mark.parametrize(('tree', 'kind', 'sentence'), [
    ([1], RigError, 'parameters of head a must be a mapping, got [1]: write name: value'),
    ({'stereo': {'maximum': 1}}, RigError,
     "parameter of head a must be an option of the node, got 'stereo.maximum': choose one that"),
    ({'stereo.max_disparity': 5000}, ConfigError,
     'stereo.max_disparity of head a must be in [16, 1024], got 5000: choose a value in the'),
    ({'stereo.max_disparity': '128'}, ConfigError,
     "stereo.max_disparity of head a must be a int, got '128': correct its type"),
    ({'model.name': 'ldn999'}, ConfigError, 'model.name of head a must be one of ldn121, '),
])
def test_wrong_parameter(
    tmp_path: Path, tree: object, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=re.escape(sentence)):
        check_parameters(tree, 'head a', tmp_path)


@pytest.mark.parametrize('name', ['model.weights', 'stereo.weights'])
def test_weights_are_relative_to_the_folder_and_must_be_there(tmp_path: Path, name: str) -> None:
    (tmp_path / 'own.safetensors').touch()
    assert check_parameters({name: 'own.safetensors'}, 'it', tmp_path) == {
        name: str(tmp_path / 'own.safetensors')}
    for word in ('', 'shipped'):
        assert check_parameters({name: word}, 'it', tmp_path) == {name: word}
    with pytest.raises(RigError, match=re.escape(
            f'{name} of it must be an existing file, got {tmp_path}/none: check the path')):
        check_parameters({name: 'none'}, 'it', tmp_path)


def test_values_and_file_together_must_agree(tmp_path: Path) -> None:
    file = tmp_path / 'own.yaml'
    file.write_text('/**:\n  ros__parameters:\n    use_sim_time: true\n'
                    '    stereo: {min_disparity: 8}\n')
    check_agreement(None, {'stereo.max_disparity': 96, 'use_sim_time': True}, 'it')
    check_agreement(file, {'stereo.max_disparity': 104}, 'it')
    with pytest.raises(RigError, match=re.escape(
            'parameters of it must be ones the node takes, got "stereo.max_disparity must be '
            'stereo.min_disparity (8) plus a multiple of 16, got 96: ')):
        check_agreement(file, {'stereo.max_disparity': 96}, 'it')


def test_file_that_is_no_parameter_file(tmp_path: Path) -> None:
    file = tmp_path / 'own.yaml'
    file.write_text('stereo: {max_disparity: 96}\n')
    with pytest.raises(RigError, match='must be node name: ros__parameters: values'):
        check_agreement(file, {}, 'it')
