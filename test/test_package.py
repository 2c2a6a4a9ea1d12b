# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The package as colcon sees it: recognised as ament_python, and every file where ROS looks."""

import ast
import importlib.util
import os
from pathlib import Path
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

PACKAGE = 'ldn_perception'
ROOT = Path(__file__).resolve().parents[1]
EXECUTABLES = (
    'stereo_seg_node', 'bag_player', 'bag_recorder', 'evaluation_node', 'system_probe', 'ldn')
NEEDS_COLCON = pytest.mark.skipif(
    importlib.util.find_spec('colcon_core') is None, reason='colcon is not installed')


def run_colcon(log: Path, *arguments: str) -> str:
    """Output of colcon, run by the Python of the tests."""
    entry = 'import sys; from colcon_core.command import main; sys.exit(main())'
    # as `make build`: setuptools warns where it may not compile what it installs
    environment = {**os.environ}
    environment.pop('PYTHONDONTWRITEBYTECODE', None)
    return subprocess.run(
        [sys.executable, '-c', entry, '--log-base', str(log), *arguments], check=True, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    ).stdout


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Prefix of the package after a real build, and what the build printed."""
    workspace = tmp_path_factory.mktemp('workspace')
    printed = run_colcon(
        workspace / 'log', 'build', '--base-paths', str(ROOT),
        '--build-base', str(workspace / 'build'), '--install-base', str(workspace / 'install'))
    return workspace / 'install' / PACKAGE, printed


@pytest.fixture(scope='module')
def install(built: tuple[Path, str]) -> Path:
    return built[0]


@NEEDS_COLCON
def test_build_prints_no_warning(built: tuple[Path, str]) -> None:
    assert 'warning' not in built[1].lower()
    assert 'stderr' not in built[1]


@NEEDS_COLCON
def test_colcon_takes_it_for_an_ament_python_package(tmp_path: Path) -> None:
    listed = run_colcon(tmp_path, 'list', '--base-paths', str(ROOT))
    assert re.fullmatch(rf'{PACKAGE}\s+\S+\s+\(ros\.ament_python\)', listed.strip())


@NEEDS_COLCON
def test_build_places_what_ros2_launch_looks_for(install: Path) -> None:
    share = install / 'share' / PACKAGE
    for folder in (
        'launch', 'config', 'config/training', 'config/presets', 'config/rigs', 'config/systemd',
    ):
        built = {path.name for path in (share / folder).iterdir() if path.is_file()}
        assert built == {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert built
    assert (share / 'package.xml').is_file()
    assert (install / 'share/ament_index/resource_index/packages' / PACKAGE).is_file()


@NEEDS_COLCON
@pytest.mark.parametrize('name', EXECUTABLES)
def test_build_places_what_ros2_run_looks_for(install: Path, name: str) -> None:
    executable = install / 'lib' / PACKAGE / name
    assert os.access(executable, os.X_OK)
    assert executable.read_text().splitlines()[0].startswith('#!')


@NEEDS_COLCON
def test_build_places_every_module(install: Path) -> None:
    built = next((install / 'lib').glob('python3*')) / 'site-packages'
    modules = {path.relative_to(ROOT) for path in (ROOT / PACKAGE).rglob('*.py')}
    assert {path.relative_to(built) for path in built.rglob('*.py')} == modules


def test_entry_points_lead_to_functions_that_are_there() -> None:
    setup = (ROOT / 'setup.py').read_text()
    entries = re.findall(r"f'(\w+) = \{PACKAGE\}\.([\w.]+):(\w+)'", setup)
    assert {name for name, _, _ in entries} == set(EXECUTABLES)
    for _, module, function in entries:
        path = ROOT / PACKAGE / f'{module.replace(".", "/")}.py'
        tree = ast.parse(path.read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_versions_and_licence_of_both_descriptions_are_the_same() -> None:
    xml = ElementTree.parse(ROOT / 'package.xml').getroot()
    setup = (ROOT / 'setup.py').read_text()
    assert f"version='{xml.findtext('version')}'" in setup
    assert f"license='{xml.findtext('license')}'" in setup


def test_package_xml_names_every_ros_package_that_is_imported() -> None:
    xml = ElementTree.parse(ROOT / 'package.xml').getroot()
    named = {element.text for element in xml.iter() if element.tag.endswith('depend')}
    sources = [
        *(ROOT / PACKAGE / 'ros/nodes').glob('*.py'), *(ROOT / 'launch').glob('*.py'),
        ROOT / PACKAGE / 'data' / 'messages.py']
    ros = re.compile(
        r'^\s*(?:from|import) (rclpy|message_filters|cv_bridge|launch\w*|\w+_msgs|\w+_srvs'
        r'|builtin_interfaces|\w+_interfaces|ament_index_python)\b', re.MULTILINE)
    imported = {name for path in sources for name in ros.findall(path.read_text())}
    assert 'cv_bridge' in imported
    assert imported - named == set()


def test_every_requirement_has_one_pinned_version() -> None:
    pins = {
        re.split(r'==', line)[0]
        for path in ROOT.glob('constraints*.txt') for line in path.read_text().splitlines()
        if '==' in line
    }
    required = {
        re.sub(r'\[.*\]', '', line.partition(' ;')[0]).lower().replace('_', '-')
        for path in (ROOT / '.ci/requirements').glob('*.txt')
        for line in path.read_text().splitlines() if line and not line.startswith('#')
    }
    assert required - pins == set()
    assert len(required) > 30
