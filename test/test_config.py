# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from ldn_perception.config import (
    Option,
    PerceptionConfig,
    options,
    parse_assignments,
    read_parameter_file,
)
from ldn_perception.errors import ConfigError


def test_every_option_has_a_full_name_a_doc_and_an_allowed_default():
    names = [option.name for option in options()]
    assert len(names) == len(set(names))
    assert 'stereo.max_disparity' in names
    assert 'autostart' in names
    for option in options():
        assert option.doc.endswith('.')
        assert option.check(option.default) == option.default


def test_values_round_trip():
    config = PerceptionConfig.from_values({'stereo.max_disparity': 64, 'autostart': False})
    assert config.stereo.max_disparity == 64
    assert not config.autostart
    assert PerceptionConfig.from_values(config.to_values()) == config


def test_paths_are_not_asked_of_matchers_without_any():
    config = PerceptionConfig.from_values({'stereo.num_paths': 7, 'stereo.matcher': 'bm'})
    assert config.stereo.num_paths == 7


def test_an_int_serves_for_a_float():
    config = PerceptionConfig.from_values({'output.points_max_range_m': 40})
    assert config.output.points_max_range_m == 40.0
    assert type(config.output.points_max_range_m) is float


@pytest.mark.parametrize(('values', 'text'), [
    ({'stereo.max_disparty': 64}, r"option must be one of .*, got 'stereo.max_disparty'"),
    ({'stereo.max_disparity': 64.0}, r'stereo.max_disparity must be a int, got 64.0: correct'),
    ({'autostart': 1}, r'autostart must be a bool, got 1'),
    ({'model.name': 'ldn'}, r"model.name must be one of ldn121, .*, got 'ldn': choose one"),
    ({'segmentation.ood_threshold': 1.5},
     r'segmentation.ood_threshold must be in \[-1, 1\], got 1.5: choose a value'),
    ({'segmentation.ood_threshold': float('nan')}, r'must be in \[-1, 1\], got nan'),
    ({'stereo.max_disparity': 100},
     r'stereo.max_disparity must be stereo.min_disparity \(0\) plus a multiple of 16, got 100'),
    ({'stereo.block_size': 4}, r'stereo.block_size must be odd, got 4: add or take one'),
    ({'stereo.median_side': 2}, r'stereo.median_side must be odd, got 2: add or take one'),
    ({'stereo.num_paths': 4},
     r'stereo.num_paths must be 0, 3 or 5 or 8 for the sgbm matcher, got 4: choose one of them'),
    ({'stereo.num_paths': 3, 'stereo.matcher': 'census'},
     r'stereo.num_paths must be 0, 4 or 8 for the census matcher, got 3'),
    ({'free_road.grid_resolution_m': 0.02, 'free_road.max_range_m': 100.0},
     r'free_road.grid_resolution_m must be so that the grid has at most 4000000 cells, got 0.02, '
     r'5000000 cells: take larger cells'),
    ({'ood_alarm.raise_above': 0.2},
     r'ood_alarm.clear_below must be <= ood_alarm.raise_above \(0.2\), got 0.35: lower it'),
])
def test_a_wrong_value_is_refused_with_its_reason(values, text):
    with pytest.raises(ConfigError, match=text):
        PerceptionConfig.from_values(values)


def test_a_parameter_file_and_overrides_make_a_config(tmp_path):
    path = tmp_path / 'parameters.yaml'
    path.write_text('stereo_seg_node:\n  ros__parameters:\n    stereo: {max_disparity: 64}\n')
    config = PerceptionConfig.from_yaml(path, {'inference.device': 'cpu'})
    assert (config.stereo.max_disparity, config.inference.device) == (64, 'cpu')


def test_assignments_hold_yaml_and_an_empty_value_is_an_empty_string():
    assert parse_assignments(['a.b=2.5', 'c=', 'd=x=y', 'e=[1, 2]']) == {
        'a.b': 2.5, 'c': '', 'd': 'x=y', 'e': [1, 2]}
    with pytest.raises(ConfigError, match="--set must be NAME=VALUE, got 'a': write for example"):
        parse_assignments(['a'])


def test_a_missing_parameter_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'parameter file must be an existing YAML file, got '):
        read_parameter_file(tmp_path / 'none.yaml')


@pytest.mark.parametrize('text', ['', '3', 'a: {b: 1}', 'a: [', '{}'])
def test_a_file_that_is_no_parameter_file_is_refused(tmp_path, text):
    path = tmp_path / 'parameters.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'must be node name: ros__parameters: values'):
        read_parameter_file(path)


def test_the_shipped_file_names_every_option_with_its_default():
    path = Path(__file__).parent.parent / 'config' / 'stereo_seg.yaml'
    assert read_parameter_file(path) == {option.name: option.default for option in options()}


def test_an_unbounded_option_takes_any_number():
    assert Option('a', int, 0, 'A.').check(10**9) == 10**9
    assert Option('a', int, 0, 'A.', minimum=0).check(10**9) == 10**9
