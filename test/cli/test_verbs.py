# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import ast
from pathlib import Path
import re
import subprocess
import sys

import pytest

from ldn_perception.cli import processes
from ldn_perception.cli.main import EXTRAS, VERBS, load_verb, main
from ldn_perception.cli.parameters import parameter_table
from ldn_perception.cli.processes import find_config, isolated_environment
from ldn_perception.config import options
from ldn_perception.data.bag_reader import StereoBagReader
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.errors import ConfigError

ROOT = Path(__file__).parents[2]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


def test_a_drive_can_be_rendered_to_a_bag(tmp_path):
    assert run('synthesize', '--output', tmp_path / 'drive', '--frames', 2, '--size', '96x64') == 0
    reader = StereoBagReader(tmp_path / 'drive')
    assert len(reader) == 2
    assert all(sample.labels is not None for sample in reader)


def test_a_drive_can_be_rendered_to_images(tmp_path):
    assert run('synthesize', '--output', tmp_path / 'drive', '--images', '--frames', 2,
               '--size', '96x64') == 0
    assert len(ImageFolder(tmp_path / 'drive')) == 2


def test_the_table_has_a_row_for_every_parameter(capsys):
    assert run('parameters') == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split('`')[1] for row in rows] == [option.name for option in options()]
    assert '| `segmentation.ood_threshold` | `-1.0` | -1 – 1 | yes | ' in parameter_table()
    assert '| `autostart` | `true` | bool |  | ' in parameter_table()
    assert '| `stereo.min_disparity` | `0` | -512 – 512 px |  | ' in parameter_table()


def test_page_has_the_table_as_the_options_are():
    page = (ROOT / 'docs' / 'parameters.md').read_text()
    assert parameter_table() in page, 'put the output of `ldn parameters` into docs/parameters.md'


@pytest.mark.parametrize(('arguments', 'text'), [
    (('demo', '--set', 'stereo.max_disparity'),
     "ldn: --set must be NAME=VALUE, got 'stereo.max_disparity': write for example"),
    (('demo', '--set', 'model.nam=x'), 'ldn: option must be one of autostart, '),
    (('demo', '/no/such/folder'), '/no/such/folder'),
    (('synthesize', '--frames', '0'), 'got 0'),
    (('synthesize', '--size', '640'), "ldn: --size must be WIDTHxHEIGHT, got '640': write for"),
])
def test_an_error_is_one_sentence_and_exit_code_1(arguments, text, capsys, tmp_path):
    assert run(*arguments, '--output', tmp_path / 'drive') == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1


def test_an_interrupt_is_no_traceback(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(load_verb('parameters'), 'run', interrupt)
    assert run('parameters') == 130


def test_nodes_of_the_demo_are_alone_on_their_network():
    environment = isolated_environment()
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 1 <= int(environment['ROS_DOMAIN_ID']) <= 100
    assert Path(environment['FASTRTPS_DEFAULT_PROFILES_FILE']).is_file()


def test_an_installed_package_finds_its_config(tmp_path, monkeypatch):
    share = tmp_path / 'share' / 'ldn_perception' / 'config'
    share.mkdir(parents=True)
    (share / 'a.yaml').touch()
    monkeypatch.setattr(processes, '__file__', str(tmp_path / 'a' / 'b' / 'c.py'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'/nowhere:{tmp_path}')
    assert find_config('a.yaml') == share / 'a.yaml'
    with pytest.raises(ConfigError, match=(
        r'config/b.yaml must be installed with the package, got none in .*: build the package')):
        find_config('b.yaml')


def test_a_missing_package_is_named_with_what_to_do(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, 'ldn_perception.cli.doctor', raising=False)
    monkeypatch.setitem(sys.modules, 'rich.table', None)
    assert run('doctor') == 1
    assert capsys.readouterr().err == (
        'ldn: package rich must be installed for ldn doctor, got none: run make '
        'environment, or install what docs/dependencies.md names\n')


def test_a_missing_optional_package_is_named_with_its_extra(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, 'ldn_perception.cli.evaluate', raising=False)
    monkeypatch.setitem(sys.modules, 'ldn_perception.cli.evaluation_report', None)
    monkeypatch.setitem(EXTRAS, 'ldn_perception', 'report')  # the package of what is missing
    assert run('evaluate') == 1
    assert capsys.readouterr().err == (
        'ldn: package ldn_perception must be installed for ldn evaluate, got none: '
        'pip install "ldn_perception[report]"\n')


def test_extras_are_those_of_the_package_metadata():
    tree = ast.parse((ROOT / 'setup.py').read_text())
    declared = next(
        ast.literal_eval(node.value) for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'EXTRAS')
    packages = {
        re.match(r'[\w-]+', requirement)[0] for names in declared.values()
        for requirement in names}
    assert packages == EXTRAS.keys()
    for package, extra in EXTRAS.items():
        assert any(requirement.startswith(package) for requirement in declared[extra])


@pytest.mark.parametrize('arguments', [
    '--help', 'weights --help', 'weights list', 'parameters', 'doctor --help'])
def test_only_the_verb_in_use_is_imported(arguments):
    code = (f'import sys; from ldn_perception.cli.main import main; sys.argv[1:] = '
            f'{arguments.split()}\ntry: main()\nexcept SystemExit: pass\n'
            'assert not {"torch", "openvino", "cv2", "numba", "numpy"} & set(sys.modules)')
    printed = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    assert printed
    if arguments == '--help':
        assert all(name in printed for name in VERBS)
