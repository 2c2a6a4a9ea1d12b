# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn doctor` without a system, and what it reads from a machine."""

import fcntl
import json
import os
from pathlib import Path
import stat
import subprocess
import sys

from observed_system import machine, system
import pytest
from rich.console import Console

from ldn_perception.cli import doctor, machine_facts
from ldn_perception.cli.machine_facts import (
    check_weights_file,
    find_log_directory,
    find_ros_processes,
    is_writable,
    read_gpus,
    read_machine,
    read_shared_memory,
    shorten_command,
)
from ldn_perception.cli.main import main
from ldn_perception.config import ModelConfig, PerceptionConfig
from ldn_perception.doctor.observations import error, ok, skipped, warning
from ldn_perception.weights import find_shipped_weights

FINDINGS = [
    ok('versions', 'Python 3.11'), warning('DDS [profile]', 'none', 'export [it]'),
    skipped('node', 'not there'), error('calibration', 'swapped', 'swap'),
]


def printed(findings, width):
    console = Console(width=width, record=True, file=Path(os.devnull).open('w'))  # noqa: SIM115
    console.print(doctor.finding_table(findings, width))
    return console.export_text()


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['doctor', *map(str, arguments)])
    return ended.value.code


def test_the_table_has_advice_in_a_column_where_there_is_room():
    lines = printed(FINDINGS, 140).splitlines()
    assert 'what to do' in lines[2]
    row = next(line for line in lines if 'DDS [profile]' in line)
    assert [cell.strip() for cell in row.split('│')[1:-1]] == [
        'DDS [profile]', 'warning', 'none', 'export [it]']
    assert lines[-1].strip() == '1 ok, 1 warning, 1 error, 1 skipped'


def test_the_table_has_advice_below_what_was_found_where_there_is_not():
    lines = printed(FINDINGS, 80).splitlines()
    row = next(number for number, line in enumerate(lines) if 'calibration' in line)
    assert lines[row + 1].split('│')[3].strip() == '→ swap'


@pytest.fixture
def heard(monkeypatch):
    """Replaces what is read and heard by a healthy machine and system, or others."""
    def replace(observations=None, problem=None, **changes):
        monkeypatch.setattr(doctor, 'read_machine', lambda config: machine(**changes))
        monkeypatch.setattr(
            doctor, 'observe', lambda options: (observations or system(), problem)
            if problem is None else (None, problem))

    return replace


def test_a_healthy_system_ends_with_0_and_writes_json(heard, tmp_path, capsys):
    heard()
    assert run('--output', tmp_path / 'report.json') == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['findings'][0] == {
        'check': 'versions', 'state': 'ok', 'advice': '',
        'found': 'Python 3.11.7, torch 2.13.0+cpu, numpy 2.4.6, OpenCV 4.14.0, rosbags 0.11.9'}
    assert report['machine']['log_directory'] == '/home/robot/.ros/log'
    assert report['observations']['node']['state'] == 'active'
    assert 'throughput' in capsys.readouterr().out


def test_a_warning_ends_with_0_and_an_error_with_1(heard):
    heard(has_cpu_bfloat16=False, socket_buffer_bytes=None, shared_memory=None)
    assert run() == 1
    heard(environment={}, profiles={})
    assert run() == 0


def test_without_rclpy_nobody_listens(heard, capsys, tmp_path):
    heard(packages={**machine().packages, 'rclpy': ''})
    assert run('--output', tmp_path / 'report.json') == 1
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['observations'] is None
    assert report['findings'][-1]['found'] == 'nobody can listen without rclpy'


def test_a_probe_that_fails_is_a_finding(heard, tmp_path):
    heard(problem=error('live system', 'it ended with code 1: boom', 'look'))
    assert run('--output', tmp_path / 'report.json') == 1
    assert json.loads((tmp_path / 'report.json').read_text())['findings'][-1]['check'] == (
        'live system')


def test_a_parameter_file_is_used_where_no_node_runs(heard, tmp_path, capsys):
    heard(system(node=None))
    parameters = tmp_path / 'node.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    inference: {device: cuda}\n')
    seen = []
    doctor.read_machine = lambda config: seen.append(config) or machine(
        gpus=machine_facts.Gpus())
    assert run('--config', parameters) == 1
    assert seen == [PerceptionConfig().model]
    assert run('--config', tmp_path / 'none.yaml') == 1
    assert 'parameter file must be an existing YAML file' in capsys.readouterr().err


@pytest.mark.ros
def test_without_a_system_the_offline_checks_run(tmp_path, monkeypatch):
    pytest.importorskip('rclpy', reason='no ROS 2 here')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path))
    report = tmp_path / 'report.json'
    code = run('--seconds', 0.5, '--namespace', 'front', '--output', report)
    findings = {entry['check']: entry for entry in json.loads(report.read_text())['findings']}
    assert code == int(any(entry['state'] == 'error' for entry in findings.values()))
    assert findings['live system']['state'] == 'skipped'
    assert 'neither /front/left/image_rect and its companions nor the node /front/stereo_seg_' in (
        findings['live system']['found'])
    assert findings['ROS 2 messages']['state'] == 'ok'
    assert findings['versions']['found'].startswith(
        f'Python {sys.version_info.major}.{sys.version_info.minor}')


def test_a_probe_that_ends_badly_tells_its_last_words(tmp_path, monkeypatch):
    class Ended:
        def __init__(self, module, arguments, log, environment):
            log.write_text('Traceback\nImportError: numpy.core\n')
            self.process = subprocess.Popen([sys.executable, '-c', 'raise SystemExit(3)'])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.process.wait()

    monkeypatch.setattr(doctor, 'NodeProcess', Ended)
    monkeypatch.setattr(doctor, 'read_machine', lambda config: machine())
    assert run('--output', tmp_path / 'report.json') == 1
    last = json.loads((tmp_path / 'report.json').read_text())['findings'][-1]
    assert last['found'] == (
        'the process that listens ended with code 3: ImportError: numpy.core')
    assert last['advice'].startswith('make the other rows right first; then python -m ')


def test_this_machine_can_be_read(monkeypatch, tmp_path):
    profile = tmp_path / 'profile.xml'
    profile.write_text('<profiles/>')
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', str(profile))
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', str(tmp_path / 'none.xml'))
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    facts = read_machine(ModelConfig())
    assert facts.profiles == {
        'FASTRTPS_DEFAULT_PROFILES_FILE': None, 'FASTDDS_DEFAULT_PROFILES_FILE': '<profiles/>'}
    assert facts.packages['numpy'].count('.') == 2
    assert set(facts.missing_ros_packages) <= set(machine_facts.ROS_PACKAGES)
    assert facts.large_image_profile.endswith('config/fastdds_large_images.xml')
    assert facts.log_directory == str(tmp_path / 'log')
    assert facts.is_log_writable
    assert facts.weights.path.endswith('.safetensors')
    assert not facts.weights.problem


def test_weights_of_another_model_or_taxonomy_are_a_problem():
    path = str(find_shipped_weights('ldn121_64_4', 'universal'))
    assert check_weights_file(ModelConfig(name='ldn_small', weights=path)).problem.startswith(
        f'network of {path} must be ldn_small, got ldn121_64_4: set model.name and ')
    assert check_weights_file(ModelConfig(taxonomy='camvid', weights=path)).problem.startswith(
        f'classes of {path} must be the 11 of camvid, got ')
    assert check_weights_file(ModelConfig(weights='/none')).problem == (
        'weights file /none must be an existing file, got nothing: check the path')
    assert check_weights_file(ModelConfig(weights='')).path == ''


@pytest.mark.parametrize(('variables', 'directory'), [
    ({'ROS_LOG_DIR': '/a', 'HOME': '/home/b'}, '/a'),
    ({'ROS_HOME': '/b', 'HOME': '/home/b'}, '/b/log'),
    ({'HOME': '/home/b'}, '/home/b/.ros/log'),
])
def test_the_log_directory(variables, directory):
    assert find_log_directory(variables) == Path(directory)


def test_whether_a_directory_can_be_made(tmp_path):
    assert is_writable(tmp_path / 'a' / 'b')
    (tmp_path / 'file').touch()
    assert not is_writable(tmp_path / 'file')
    assert not is_writable(tmp_path / 'file' / 'below')


NVIDIA_SMI = """#!/bin/sh
if [ "$1" ]; then echo 'NVIDIA RTX A2000, 535.129.03'
else echo '| NVIDIA-SMI 535.129.03   Driver Version: 535.129.03   CUDA Version: 12.2     |'; fi
"""


def test_gpus_as_nvidia_smi_tells_them(monkeypatch, tmp_path):
    program = tmp_path / 'nvidia-smi'
    program.write_text(NVIDIA_SMI)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    gpus = read_gpus()
    assert (gpus.names, gpus.driver, gpus.driver_cuda) == (
        ('NVIDIA RTX A2000',), '535.129.03', '12.2')
    program.write_text('#!/bin/sh\nexit 9\n')
    assert read_gpus().names == ()


def test_segments_nobody_holds_are_stale(tmp_path):
    for name, size in (('0' * 16, 3000), ('a' * 16, 500)):
        (tmp_path / f'fastrtps_{name}').write_bytes(bytes(size))
        (tmp_path / f'fastrtps_{name}_el').touch()
    (tmp_path / 'fastrtps_port7400').write_bytes(bytes(10))
    with (tmp_path / f'fastrtps_{"a" * 16}_el').open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        memory = read_shared_memory(tmp_path)
    assert (memory.num_stale, memory.stale_bytes) == (1, 3000)
    assert 0 < memory.free_bytes <= memory.total_bytes
    assert read_shared_memory(tmp_path / 'none') is None


def test_processes_with_a_middleware_are_found(tmp_path):
    for pid, maps, command in (
        ('10', 'x /opt/ros/lib/librmw_fastrtps_cpp.so', 'python3\0-m\0a.b.bag_player\0'),
        ('11', 'x /lib/libc.so', 'bash\0'),
        ('12', 'librmw_', 'python3\0-c\0from ros2cli.daemon.daemonize import main\0'),
    ):
        process = tmp_path / pid
        process.mkdir()
        (process / 'maps').write_text(maps)
        (process / 'cmdline').write_text(command)
        (process / 'environ').write_text('HOME=/a\0ROS_DOMAIN_ID=3\0')
    (tmp_path / '13').mkdir()
    (tmp_path / 'self').mkdir()
    found = list(find_ros_processes(tmp_path))
    assert [(entry.pid, entry.command, entry.environment) for entry in found] == [
        (10, 'bag_player', {'ROS_DOMAIN_ID': '3'})]


@pytest.mark.parametrize(('command', 'short'), [
    (['/opt/ros/lib/camera/driver', '--ros-args', '-r', '__node:=left_camera'], 'left_camera'),
    (['/usr/bin/python3', '-m', 'ldn_perception.ros.nodes.stereo_seg_node'], 'stereo_seg_node'),
    (['/usr/bin/python3', '/opt/ros/bin/ros2', 'bag'], 'ros2'),
    (['/opt/ros/lib/rviz2/rviz2', '-d', 'x'], 'rviz2'),
    ([''], 'a process'),
])
def test_commands_are_shortened(command, short):
    assert shorten_command(command) == short
