# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YAML with unknown keys, wrong types or no YAML at all is refused with a sentence."""

from pathlib import Path
import re

import pytest

from ldn_perception.errors import RigError
from ldn_perception.ros.presets import (
    checked_bool,
    checked_mapping,
    checked_text,
    parse_yaml,
    read_yaml,
)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / 'none.yaml'
    with pytest.raises(RigError, match=re.escape(
            f'rig must be an existing YAML file, got {path}: check the path')):
        read_yaml(path, 'rig')


def test_text_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / 'rig.yaml'
    path.write_text('heads:\n  - name: front\n  model: [ldn121\n')
    with pytest.raises(RigError, match=re.escape(f'rig {path} must be YAML, got ') + '.* in line'):
        read_yaml(path, 'rig')


def test_values_are_those_of_yaml() -> None:
    assert parse_yaml('{a.b: 192, c: {d: 1.5}}', 'it') == {'a.b': 192, 'c': {'d': 1.5}}


def test_nothing_is_an_empty_mapping() -> None:
    assert checked_mapping(None, 'place', ('a',)) == {}


@pytest.mark.parametrize(('tree', 'sentence'), [
    ([1], 'place must be a mapping, got [1]: give any of a, b'),
    ({'c': 1}, "key of place must be one of a, b, got 'c': correct the name"),
    ({True: 1}, 'key of place must be one of a, b, got True: correct the name'),
])
def test_wrong_mapping(tree: object, sentence: str) -> None:
    with pytest.raises(RigError, match=f'^{re.escape(sentence)}$'):
        checked_mapping(tree, 'place', ('a', 'b'))


def test_wrong_type_of_a_value() -> None:
    with pytest.raises(RigError, match='name of head 1 must be text, got 5: put it into quotes'):
        checked_text({'name': 5}, 'name', 'head 1')
    with pytest.raises(RigError, match="respawn of head 1 must be true or false, got 'yes': "):
        checked_bool({'respawn': 'yes'}, 'respawn', 'head 1', default=True)
    assert checked_text({}, 'name', 'head 1') == ''
    assert checked_bool({}, 'respawn', 'head 1', default=True) is True
    assert checked_bool({'respawn': False}, 'respawn', 'head 1', default=True) is False
