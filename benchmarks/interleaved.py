# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Timing of several calls in turn in one process, so that other load affects each alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import time
from typing import TypeVar

import numpy as np
import torch

Name = TypeVar('Name')


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one call in every turn [ms].

    Attributes:
        wall: Wall time.
        thread: CPU time of the calling thread.
        process: CPU time of all threads.
    """

    wall: list[float] = field(default_factory=list)
    thread: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median wall time [ms]."""
        return float(np.median(self.wall))

    @property
    def min_ms(self) -> float:
        """Shortest wall time [ms]."""
        return min(self.wall)


def interleaved(
    calls: Mapping[Name, Callable[[], object]], runs: int, warm_up_runs: int = 1,
) -> dict[Name, Times]:
    """Time calls in turn, without the first turns.

    A call ends when the GPU, if one is used, has finished its work.
    """
    times = {name: Times() for name in calls}
    for turn in range(warm_up_runs + runs):
        for name, call in calls.items():
            clocks = time.perf_counter(), time.thread_time(), time.process_time()
            call()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            spent = [
                (now - then) * 1e3 for now, then in zip(
                    (time.perf_counter(), time.thread_time(), time.process_time()), clocks,
                    strict=True)]
            if turn >= warm_up_runs:
                times[name].wall.append(spent[0])
                times[name].thread.append(spent[1])
                times[name].process.append(spent[2])
    return times


def as_rows(times: Mapping[str, Times]) -> dict[str, dict[str, float]]:
    """One row per call: median, minimum, and speed relative to the first call by either."""
    first = next(iter(times.values()))
    return {
        name: {
            'median ms': each.median_ms, 'min ms': each.min_ms,
            'x by median': first.median_ms / each.median_ms,
            'x by min': first.min_ms / each.min_ms,
        }
        for name, each in times.items()
    }
