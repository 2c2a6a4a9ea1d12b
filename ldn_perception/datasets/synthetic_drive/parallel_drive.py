# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic drive rendered by several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
import os
from typing import Any

from ldn_perception.datasets.synthetic_drive.synthetic_drive import (
    SyntheticDrive,
    SyntheticSample,
)

_AHEAD = 2  # samples rendered ahead by each process; bounds the memory


class ParallelDrive:
    """The samples of a drive in their order, the same to the byte, sooner.

    Threads do not do: the ray caster holds the interpreter's lock. The processes are spawned, so
    a script that iterates this must guard its main part as multiprocessing asks for.

    Args:
        drive: The drive.
        num_processes: Processes that render; every core by default.
    """

    def __init__(self, drive: SyntheticDrive, num_processes: int | None = None) -> None:
        self._drive = drive
        self._num_processes = num_processes or os.cpu_count() or 1

    def __len__(self) -> int:
        return len(self._drive)

    def __iter__(self) -> Iterator[SyntheticSample]:
        """Render and hand over, in order."""
        waiting: deque[Future[SyntheticSample]] = deque()
        with ProcessPoolExecutor(
            self._num_processes, get_context('spawn'), _open, (self._drive.arguments,),
        ) as pool:
            for index in range(len(self)):
                waiting.append(pool.submit(_render, index))
                if len(waiting) > _AHEAD * self._num_processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


_DRIVE: SyntheticDrive  # of a rendering process


def _open(arguments: dict[str, Any]) -> None:
    global _DRIVE
    _DRIVE = SyntheticDrive(**arguments)


def _render(index: int) -> SyntheticSample:
    return _DRIVE[index]
