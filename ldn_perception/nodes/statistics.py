# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a node has done so far, counted from several threads."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
import threading
import time

import numpy as np

_WINDOW = 500  # results that percentiles and means are taken over


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts at one moment.

    Attributes:
        received: Synchronised pairs.
        processed: Pairs whose results were published.
        dropped: Pairs that were not, by reason.
        latency_s: Stamp to publish at the 50th, 95th and 99th percentile [s]; empty before the
            first result.
        rate_hz: Results per second over the window.
        stage_s: Median seconds of each stage.
        age_of_last_result_s: Time since the last result, or since the start [s].
        last_error: Text of the last refused pair.
        disparity_density: Mean part of the pixels with a disparity; None if none was computed.
        disparity_problem: Why the last disparity is unknown everywhere; empty if it is not.
    """

    received: int
    processed: int
    dropped: dict[str, int]
    latency_s: tuple[float, ...]
    rate_hz: float
    stage_s: dict[str, float]
    age_of_last_result_s: float
    last_error: str
    disparity_density: float | None
    disparity_problem: str


@dataclass
class Statistics:
    """Counts pairs; every method may be called from any thread."""

    _received: int = 0
    _processed: int = 0
    _dropped: Counter[str] = field(default_factory=Counter)
    _latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _stages_s: deque[dict[str, float]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _finished: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _last_result: float = field(default_factory=time.monotonic)
    _last_error: str = ''
    _densities: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    _disparity_problem: str = ''
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self) -> None:
        """Count a synchronised pair."""
        with self._lock:
            self._received += 1

    def drop(self, reason: str, error: str = '') -> int:
        """Count a pair that is not processed and return the count of its reason."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_error = error or self._last_error
            return self._dropped[reason]

    def finish(self, latency_s: float, stage_s: dict[str, float]) -> None:
        """Count a published result with its stamp-to-publish time and its stages [s]."""
        with self._lock:
            self._processed += 1
            self._latencies_s.append(latency_s)
            self._stages_s.append(stage_s)
            self._last_result = time.monotonic()
            self._finished.append(self._last_result)
            self._last_error = ''

    def note_disparity(self, density: float, problem: str) -> None:
        """Note the part of pixels with a disparity, and why there is none."""
        with self._lock:
            self._densities.append(density)
            self._disparity_problem = problem

    def snapshot(self) -> Snapshot:
        """Read all counts at once."""
        with self._lock:
            spans = self._finished[-1] - self._finished[0] if len(self._finished) > 1 else 0.0
            return Snapshot(
                received=self._received,
                processed=self._processed,
                dropped=dict(self._dropped),
                latency_s=tuple(
                    float(value) for value in np.percentile(self._latencies_s, (50, 95, 99)))
                if self._latencies_s else (),
                rate_hz=(len(self._finished) - 1) / spans if spans else 0.0,
                stage_s={
                    stage: float(np.median([stages.get(stage, 0.0) for stages in self._stages_s]))
                    for stage in (self._stages_s[-1] if self._stages_s else ())
                },
                age_of_last_result_s=time.monotonic() - self._last_result,
                last_error=self._last_error,
                disparity_density=float(np.mean(self._densities)) if self._densities else None,
                disparity_problem=self._disparity_problem,
            )
