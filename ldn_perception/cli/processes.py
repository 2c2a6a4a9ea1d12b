# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes in subprocesses, and stop signals."""

from __future__ import annotations

from collections.abc import Sequence
import json
import os
from pathlib import Path
import select
import signal
import subprocess
import sys
from types import FrameType, TracebackType
from typing import Any

from ldn_perception.errors import ConfigError

_NUM_SAFE_DOMAINS = 100  # DDS ports of higher domains overlap the ephemeral ports
_STOP_S = 10.0

LARGE_IMAGE_PROFILE = 'fastdds_large_images.xml'


def isolated_environment() -> dict[str, str]:
    """Environment that isolates the nodes from other systems and sets the large-image profile."""
    profile = str(find_config(LARGE_IMAGE_PROFILE))
    return {
        **os.environ,
        'ROS_DOMAIN_ID': str(1 + os.getpid() % _NUM_SAFE_DOMAINS),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
    }


def find_config(name: str) -> Path:
    """Find a file of config/, in the source tree or in the installation.

    Raises:
        ConfigError: It is in neither.
    """
    prefixes = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    places = [
        Path(__file__).parents[2] / 'config',
        *(Path(prefix) / 'share' / 'ldn_perception' / 'config' for prefix in prefixes if prefix),
    ]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigError(
        f'config/{name}', must_be='installed with the package',
        got=f'none in {", ".join(map(str, places))}', do='build the package with colcon')


class NodeProcess:
    """Context manager of a node in a background process, with its log in a file.

    Args:
        module: Name of the module in ldn_perception.ros.nodes.
        arguments: Command-line arguments of the node.
        log: File for its standard error.
        environment: Environment variables.
    """

    def __init__(
        self, module: str, arguments: Sequence[str], log: Path, environment: dict[str, str],
    ) -> None:
        self.name = module
        self.log = log
        with log.open('w') as error_stream:
            self.process = subprocess.Popen(
                [sys.executable, '-m', f'ldn_perception.ros.nodes.{module}', *arguments],
                stdout=subprocess.PIPE, stderr=error_stream, env=environment, bufsize=0)

    def is_running(self) -> bool:
        """True if the process has not ended."""
        return self.process.poll() is None

    def read_report(self, timeout_s: float) -> dict[str, int] | None:
        """Read the next JSON line of the node's output; None after the timeout."""
        stream = self.process.stdout
        assert stream is not None
        if not select.select([stream], [], [], timeout_s)[0]:
            return None
        line = stream.readline()
        return json.loads(line) if line else None

    def stop(self) -> int:
        """Interrupt the node like Ctrl-C and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self.process.stdout is not None:
            self.process.stdout.close()


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Context manager that records the first SIGINT or SIGTERM; a second one acts as usual.

    Attributes:
        received: Name of the received signal; empty if there was none.
    """

    def __init__(self) -> None:
        self.received = ''
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
