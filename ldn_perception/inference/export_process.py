# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn export` as a process of its own, which leaves this one its cores and its interpreter."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
import subprocess
import sys

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import ImageSize

LOW_PRIORITY = 10
"""Niceness beside a node: about a tenth of a core that the node keeps busy. With less, an export
beside a node that keeps every core busy would hardly ever end."""

_LEAST_PRIORITY = 19
_TOLD_LINES = 5


class ExportProcess:
    """Exports the network of a weights file; one export at a time.

    Args:
        weights: The file.
        options: Of `ldn export` beside engine and size, by name: {'precision': 'bfloat16'}.
        niceness: How much lower the priority of the process is than that of this one, in [0, 19].
        command: What stands before the arguments of `ldn export`.
    """

    def __init__(
        self, weights: Path, options: Mapping[str, str], niceness: int = LOW_PRIORITY,
        command: tuple[str, ...] = (sys.executable, '-m', 'ldn_perception.cli.main', 'export'),
    ) -> None:
        self._command = [*command, '--weights', str(weights)]
        for name, value in options.items():
            self._command += [f'--{name}', value]
        self._niceness = niceness
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def export(self, engine: str, size: ImageSize) -> None:
        """Export for one engine and size of images into the cache; takes seconds to minutes.

        Raises:
            InferenceError: The process fails, or was stopped.
        """
        process = subprocess.Popen(
            [*self._command, '--engine', engine, '--size', str(size)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._process = process
        if self._is_stopped:
            process.terminate()
        elif self._niceness:
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(
                os.PRIO_PROCESS, process.pid, min(_LEAST_PRIORITY, own + self._niceness))
        output, _ = process.communicate()
        self._process = None
        if process.returncode:
            told = ' / '.join(filter(str.strip, output.splitlines()[-_TOLD_LINES:]))
            raise InferenceError(
                f'ldn export for {engine} and {size}', must_be='done without an error',
                got=f'exit code {process.returncode}, {told or "nothing printed"}',
                do='do what it says, or set inference.engine to torch')

    def stop(self) -> None:
        """End an export that is in work, and each that would begin."""
        self._is_stopped = True
        process = self._process
        if process is not None:
            process.terminate()
