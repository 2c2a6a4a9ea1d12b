# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Timing of several things in turn in one process, so that a busy machine costs each alike."""

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
    """Milliseconds of every turn of one call.

    Attributes:
        wall: On the clock.
        thread: CPU time of the calling thread.
        process: CPU time of all threads.
    """

    wall: list[float] = field(default_factory=list)
    thread: list[float] = field(default_factory=list)
    process: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median on the clock."""
        return float(np.median(self.wall))

    @property
    def min_ms(self) -> float:
        """Least on the clock."""
        return min(self.wall)


def interleaved(
    calls: Mapping[Name, Callable[[], object]], runs: int, warm_up_runs: int = 1,
) -> dict[Name, Times]:
    """Times of calls that take turns, the first turns not counted.

    A call is over when the GPU is, if there is one at work.
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
    """Median, least and how many times faster than the first, by either; a row for each call."""
    first = next(iter(times.values()))
    return {
        name: {
            'median ms': each.median_ms, 'min ms': each.min_ms,
            'x by median': first.median_ms / each.median_ms,
            'x by min': first.min_ms / each.min_ms,
        }
        for name, each in times.items()
    }
