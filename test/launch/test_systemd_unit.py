# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The example of a systemd unit: read by systemd where it is installed, and by a parser."""

import configparser
from pathlib import Path
import re
import shlex
import shutil
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / 'config' / 'systemd' / 'ldn_perception@.service'


def entries(section: str) -> list[tuple[str, str]]:
    """Lines of a section, in order; a key may be there more than once."""
    lines = UNIT.read_text().split(f'[{section}]\n')[1].split('\n[')[0].splitlines()
    return [
        (key, value) for key, _, value in (line.partition('=') for line in lines)
        if key and not key.startswith('#')]


def command() -> list[str]:
    """Words of the shell command that the unit runs at last."""
    shell = shlex.split(dict(entries('Service'))['ExecStart'])
    assert shell[:2] == ['/bin/bash', '-c']
    last = shell[2].split('&&')[-1].split()
    assert last[0] == 'exec', 'the main process must be the one that gets the signals'
    return last[1:]


def test_systemd_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    if shutil.which('systemd-analyze') is None:
        pytest.skip('systemd is not installed')
    unit = shutil.copy(UNIT, tmp_path)
    checked = subprocess.run(
        ['systemd-analyze', 'verify', '--man=no', str(unit)], capture_output=True, text=True,
        timeout=120)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, '')


def test_sections_are_those_of_a_service() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ['Unit', 'Service', 'Install']
    assert parser['Install']['WantedBy'] == 'multi-user.target'
    assert parser['Service']['Restart'] == 'on-failure'
    assert parser['Service']['KillSignal'] == 'SIGINT'


def test_unit_launches_a_file_with_arguments_that_are_there() -> None:
    words = command()
    assert words[:4] == ['ros2', 'launch', '--noninteractive', 'ldn_perception']
    launch_file = ROOT / 'launch' / words[4]
    given = dict(word.split(':=') for word in words[5:])
    assert given == {'rig': '/etc/ldn_perception/%i.yaml'}
    for name in given:
        assert f"'{name}'" in launch_file.read_text()


def test_profile_is_the_one_of_the_package_for_every_distribution() -> None:
    environment = dict(
        value.split('=', 1) for key, value in entries('Service') if key == 'Environment')
    profiles = {name: path for name, path in environment.items() if 'PROFILES_FILE' in name}
    assert set(profiles) == {'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'}
    (path,) = set(profiles.values())
    share = path.split('/share/ldn_perception/')[1]
    assert (ROOT / share).is_file()
    assert re.search(r'source (\S+)/install/setup\.bash', dict(entries('Service'))['ExecStart'])[
        1] in path
