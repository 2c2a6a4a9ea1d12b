# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real build of the package, and launch running on it in a process of its own."""

from collections.abc import Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name('run_launch_file.py')


@pytest.fixture(scope='session')
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install prefix of the package, built by colcon."""
    pytest.importorskip('colcon_core', reason='colcon is not installed')
    workspace = tmp_path_factory.mktemp('workspace')
    entry = 'import sys; from colcon_core.command import main; sys.exit(main())'
    subprocess.run(
        [sys.executable, '-c', entry, '--log-base', str(workspace / 'log'), 'build',
         '--base-paths', str(ROOT), '--build-base', str(workspace / 'build'),
         '--install-base', str(workspace / 'install')],
        check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return workspace / 'install' / 'ldn_perception'


@pytest.fixture
def ros_environment(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Environment with the built package and a domain that no other test worker uses."""
    site_packages = next((prefix / 'lib').glob('python3*')) / 'site-packages'
    added = {
        'AMENT_PREFIX_PATH': [str(prefix), os.environ.get('AMENT_PREFIX_PATH', ''), sys.prefix],
        'PYTHONPATH': [str(site_packages), os.environ.get('PYTHONPATH', '')],
    }
    for name, paths in added.items():
        monkeypatch.setenv(name, os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'):
        monkeypatch.delenv(name, raising=False)
    return dict(os.environ)


class Launch:
    """A launch file that runs.

    Args:
        prefix: Where the package is installed.
        launch_file: Its name.
        arguments: Launch arguments, as on the command line.
        environment: Environment of the process.
    """

    def __init__(
        self, prefix: Path, launch_file: str, arguments: dict[str, str],
        environment: dict[str, str],
    ) -> None:
        path = prefix / 'share/ldn_perception/launch' / launch_file
        given = [f'{name}:={value}' for name, value in arguments.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(RUNNER), str(path), *given], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def wait(self, timeout_s: float = 60.0) -> tuple[int, str]:
        """Exit code and all output, once it has ended."""
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output


@pytest.fixture
def start_launch(prefix: Path, ros_environment: dict[str, str]) -> Iterator[object]:
    """Start a launch file with arguments; what still runs in the end is ended."""
    pytest.importorskip(
        'launch_ros', reason='launch and launch_ros come only with a ROS 2 installation')
    started: list[Launch] = []

    def start(
        environment: dict[str, str] | None = None, launch_file: str = 'stereo_seg.launch.py',
        **arguments: str,
    ) -> Launch:
        started.append(Launch(
            prefix, launch_file, arguments, {**ros_environment, **(environment or {})}))
        return started[-1]

    yield start
    for launch in started:
        if launch.process.poll() is None:
            # SIGTERM would leave the launched processes behind.
            launch.process.send_signal(signal.SIGINT)
            launch.wait()
