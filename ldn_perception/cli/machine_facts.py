# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Facts of this machine for `ldn doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import fcntl
from importlib import metadata, util
import os
from pathlib import Path
import platform
import re
import subprocess

import cv2
import numpy as np
import torch

from ldn_perception.build import find_weights
from ldn_perception.cli.processes import LARGE_IMAGE_PROFILE, find_config
from ldn_perception.config import ModelConfig
from ldn_perception.doctor.machine_checks import (
    ENVIRONMENT_VARIABLES,
    PROFILE_VARIABLES,
    ROS_PACKAGES,
    Gpus,
    Machine,
    RosProcess,
    SharedMemory,
    WeightsFile,
)
from ldn_perception.errors import ConfigError, ModelError
from ldn_perception.hardware import choose_precision
from ldn_perception.models.weights import read_weights_header
from ldn_perception.taxonomy import TAXONOMIES

SHARED_MEMORY = Path('/dev/shm')
PROCESSES = Path('/proc')
SOCKET_BUFFER = Path('/proc/sys/net/core/rmem_max')

_NVIDIA_SMI_S = 20.0
_SEGMENT = re.compile(r'(fastrtps|fastdds)_[0-9a-f]{16}')
_COMMAND_LETTERS = 40


def read_machine(config: ModelConfig) -> Machine:
    """Collect the facts of this machine, this shell and this Python.

    Args:
        config: Model whose weights are checked.
    """
    environment = _ros_variables(os.environ)
    log_directory = find_log_directory(os.environ)
    return Machine(
        python=platform.python_version(),
        packages={
            'torch': str(torch.__version__), 'numpy': np.__version__, 'OpenCV': cv2.__version__,
            'rosbags': _version('rosbags'), 'rclpy': _version('rclpy'),
        },
        missing_ros_packages=tuple(
            package for package in ROS_PACKAGES if util.find_spec(package) is None),
        environment=environment,
        profiles={
            variable: _read_text(Path(environment[variable]))
            for variable in PROFILE_VARIABLES if environment.get(variable)},
        large_image_profile=_profile_path(),
        gpus=read_gpus(),
        has_cpu_bfloat16=choose_precision('auto', torch.device('cpu')) is torch.bfloat16,
        weights=check_weights_file(config),
        shared_memory=read_shared_memory(SHARED_MEMORY),
        ros_processes=tuple(find_ros_processes(PROCESSES)),
        log_directory=str(log_directory),
        is_log_writable=is_writable(log_directory),
        socket_buffer_bytes=_read_number(SOCKET_BUFFER),
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ''


def _ros_variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in ENVIRONMENT_VARIABLES if name in environment}


def _profile_path() -> str:
    try:
        return str(find_config(LARGE_IMAGE_PROFILE))
    except ConfigError:
        return f'config/{LARGE_IMAGE_PROFILE}'


def _read_text(path: Path) -> str | None:
    try:
        return path.read_text(errors='replace')
    except OSError:
        return None


def _read_number(path: Path) -> int | None:
    text = _read_text(path)
    return int(text) if text and text.strip().isdecimal() else None


def find_log_directory(environment: Mapping[str, str]) -> Path:
    """Log directory of rclpy, by the rules of rcl_logging."""
    given = environment.get('ROS_LOG_DIR')
    if given:
        return Path(given).expanduser()
    home = environment.get('ROS_HOME') or f'{environment.get("HOME", "")}/.ros'
    return Path(home).expanduser() / 'log'


def is_writable(directory: Path) -> bool:
    """Tell if a directory is writable or can be created."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def read_gpus() -> Gpus:
    """Query the driver and torch for GPUs."""
    names, driver = [], ''
    for line in _nvidia_smi('--query-gpu=name,driver_version', '--format=csv,noheader'):
        name, _, driver = (part.strip() for part in line.rpartition(','))
        names.append(name)
    newest = re.search(r'CUDA Version:\s*([\d.]+)', '\n'.join(_nvidia_smi())) if names else None
    return Gpus(
        names=tuple(names), driver=driver, driver_cuda=newest[1] if newest else '',
        torch_cuda=torch.version.cuda or '',
        num_seen_by_torch=torch.cuda.device_count() if torch.cuda.is_available() else 0)


def _nvidia_smi(*arguments: str) -> list[str]:
    """Output lines of nvidia-smi; empty without that program or without a GPU."""
    try:
        ended = subprocess.run(
            ['nvidia-smi', *arguments], capture_output=True, text=True, timeout=_NVIDIA_SMI_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in ended.stdout.splitlines() if line] if not ended.returncode else []


def check_weights_file(config: ModelConfig) -> WeightsFile:
    """Check the header of a model's weights file; loads no tensors."""
    path = find_weights(config)
    if path is None:
        return WeightsFile()
    try:
        header = read_weights_header(path)
    except ModelError as error:
        return WeightsFile(str(path), str(error))
    class_names = tuple(TAXONOMIES[config.taxonomy].class_names)
    for what, wanted, got, fits in (
        ('network', config.name, header.model_name, config.name == header.model_name),
        ('classes', f'the {len(class_names)} of {config.taxonomy}',
         f'{len(header.class_names)} others', class_names == tuple(header.class_names)),
    ):
        if not fits:
            return WeightsFile(str(path), str(ModelError(
                f'{what} of {path}', must_be=wanted, got=got,
                do='set model.name and model.taxonomy to those of the file, or model.weights to '
                'another one')))
    return WeightsFile(str(path))


def read_shared_memory(directory: Path) -> SharedMemory | None:
    """Size of the shared memory and of stale segments in it; None if there is none."""
    try:
        size = os.statvfs(directory)
        segments = [entry for entry in directory.iterdir() if _SEGMENT.fullmatch(entry.name)]
    except OSError:
        return None
    stale_bytes = [_size(segment) for segment in segments if _is_stale(segment)]
    return SharedMemory(
        size.f_blocks * size.f_frsize, size.f_bavail * size.f_frsize, len(stale_bytes),
        sum(stale_bytes))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # its process has just ended


def _is_stale(segment: Path) -> bool:
    """Tell if the lock is free that a live owner of a segment holds."""
    try:
        with segment.with_name(f'{segment.name}_el').open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False  # held, gone, or owned by another user
    return True


def find_ros_processes(directory: Path) -> Iterator[RosProcess]:
    """Find this user's processes with a ROS middleware loaded, except this one."""
    for entry in directory.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        maps = _read_text(entry / 'maps')
        if maps is None or 'librmw_' not in maps:
            continue
        command = (_read_text(entry / 'cmdline') or '').split('\0')
        variables = (_read_text(entry / 'environ') or '').split('\0')
        if not any('ros2cli.daemon' in part or 'ros2-daemon' in part for part in command):
            yield RosProcess(
                int(entry.name), shorten_command(command),
                _ros_variables(dict(line.split('=', 1) for line in variables if '=' in line)))


def shorten_command(command: list[str]) -> str:
    """Short name of a process: its node name, module or program, <= 40 characters."""
    for part in command:
        if part.startswith('__node:='):
            return part.removeprefix('__node:=')[:_COMMAND_LETTERS]
    if '-m' in command[:-1]:
        return command[command.index('-m') + 1].rpartition('.')[2][:_COMMAND_LETTERS]
    words = [part for part in command if part and not part.startswith('-')]
    is_python = bool(words) and Path(words[0]).name.startswith('python')
    program = words[1] if is_python and len(words) > 1 else (words or ['a process'])[0]
    return Path(program).name[:_COMMAND_LETTERS]
