# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file of the live evaluation: read, and run where launch_ros is."""

import ast
from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import pytest
from stereo_frames import shifted_frame

from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.synthetic_drive import SyntheticDrive

pytest.importorskip('rclpy', reason='no ROS 2 here')
from ldn_perception.config import section_options
from ldn_perception.ros.nodes.evaluation_node import EvaluationParameters

ROOT = Path(__file__).resolve().parents[2]
TREE = ast.parse((ROOT / 'launch' / 'replay_eval.launch.py').read_text())
WAIT_S = 300.0
LIMIT_S = 600.0  # compiled parts of a fresh build are compiled again
NUM_PAIRS = 2
SMALL = {
    'launch_file': 'replay_eval.launch.py', 'model': 'ldn_small', 'device': 'cpu',
    'parameters': '{stereo.max_disparity: 64}', 'wait_s': f'{WAIT_S}',
}

pytestmark = pytest.mark.timeout(900)


def declared_arguments() -> dict[str, dict[str, str]]:
    """Name of each launch argument -> its keywords."""
    calls = (
        node for node in ast.walk(TREE)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == 'DeclareLaunchArgument')
    return {
        ast.literal_eval(call.args[0]): {
            str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        for call in calls
    }


def test_every_argument_has_a_description_and_all_but_the_bag_a_default() -> None:
    arguments = declared_arguments()
    assert all(len(keywords['description']) > 20 for keywords in arguments.values())
    assert {name for name, known in arguments.items() if 'default_value' not in known} == {'bag'}


def test_defaults_and_choices_are_those_of_the_node() -> None:
    options = {option.name: option for option in section_options(EvaluationParameters)}
    names = next(
        ast.literal_eval(node.value) for node in TREE.body if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == 'EVALUATION_PARAMETERS')
    arguments = declared_arguments()
    for name in (*names, 'wait_s'):
        assert arguments[name]['default_value'] == str(options[name].default)
        assert tuple(arguments[name].get('choices', options[name].choices)) == (
            options[name].choices)


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered drive with all ground truth."""
    path = tmp_path_factory.mktemp('drive') / 'drive'
    with StereoBagWriter(path) as writer:
        for sample in SyntheticDrive(1, NUM_PAIRS, 160, 96, 2.0):
            writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)
    return path


def test_a_drive_is_scored_at_each_rate_and_the_launch_ends_by_itself(
    start_launch: Callable[..., Any], drive: Path, tmp_path: Path
) -> None:
    code, output = start_launch(
        **SMALL, bag=str(drive), rates='1,2', laps='2', output=str(tmp_path / 'scores'),
        namespace='car', use_sim_time='true').wait(LIMIT_S)
    assert code == 0, output
    assert 'Traceback' not in output
    report = json.loads((tmp_path / 'scores' / 'evaluation.json').read_text())
    assert report['complete']
    assert report['plan']['keeps_stamps']
    assert [scores['rate'] for scores in report['passes']] == [1, 2]
    for scores in report['passes']:
        assert scores['pairs']['sent'] == 2 * NUM_PAIRS
        assert scores['outcomes']['scored'] >= 1
        assert scores['strays'] == {}
    rows = [line.split() for line in output.splitlines()]
    assert any(row[-3:] == ['rate', '1x', '2x'] for row in rows), output
    assert '[evaluation_node-2]: process has finished cleanly' in output


def test_a_bag_without_ground_truth_ends_the_launch_with_code_1_and_the_reason(
    start_launch: Callable[..., Any], tmp_path: Path
) -> None:
    with StereoBagWriter(tmp_path / 'drive') as writer:
        writer.write(shifted_frame(12))
    code, output = start_launch(
        **SMALL, bag=str(tmp_path / 'drive'), output=str(tmp_path / 'scores')).wait(LIMIT_S)
    assert code == 1, output
    assert 'none scored: play a bag with ground_truth/labels' in output
    assert 'evaluation_node must be running until the evaluation is over, got exit code 1' in (
        output)
    assert 'Traceback' not in output


def test_a_node_that_cannot_start_ends_the_launch(
    start_launch: Callable[..., Any], drive: Path, tmp_path: Path
) -> None:
    weights = tmp_path / 'weights.safetensors'
    weights.write_text('none')
    code, output = start_launch(
        **SMALL, bag=str(drive), output=str(tmp_path / 'scores'), weights=str(weights),
    ).wait(LIMIT_S)
    assert code == 1, output
    assert 'cannot configure' in output
    assert 'stereo_seg_node must be running until the evaluation is over' in output


def processes_of(environment: dict[str, str]) -> list[str]:
    """Command lines of the package's nodes that have the log folder of an environment."""
    wanted = f'ROS_LOG_DIR={environment["ROS_LOG_DIR"]}'.encode()
    found = []
    for process in Path('/proc').glob('[0-9]*'):
        try:
            command = (process / 'cmdline').read_bytes()
            if wanted in (process / 'environ').read_bytes().split(b'\0'):
                found.append(command.replace(b'\0', b' ').decode())
        except OSError:
            continue
    return [command for command in found if '/lib/ldn_perception/' in command]


@pytest.mark.parametrize(('given', 'sentence'), [
    ({'bag': '/none'}, 'bag must be an existing bag, got /none: check the path'),
    ({'bag': '/', 'wait_s': 'long'}, 'wait_s must be a number of seconds, got long: say'),
])
def test_a_wrong_argument_ends_the_launch_with_a_sentence_and_leaves_no_node(
    start_launch: Callable[..., Any], ros_environment: dict[str, str], given: dict[str, str],
    sentence: str,
) -> None:
    code, output = start_launch(**{**SMALL, **given}).wait(LIMIT_S)
    assert code == 1
    assert sentence in output
    assert 'Traceback' not in output
    assert processes_of(ros_environment) == []
