# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the perception node: counts, epipolar check and messages."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
import logging
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from rclpy.node import Node

from ldn_perception.decoding.domain_alarm import DomainAlarm, describe_alarm
from ldn_perception.stereo.rectification import measure_epipolar_residual
from ldn_perception.types import StereoFrame


class Diagnostics:
    """Publisher of the node's state on /diagnostics.

    Args:
        node: Owner of the publisher.
        facts: Constant entries: model, device and the like.
        engine: Function that returns the description of the current engine.
        is_trained: True if the network has trained weights.
        alarm: Alarm for images that are out of domain as a whole.
    """

    def __init__(
        self, node: Node, facts: dict[str, str], engine: Callable[[], str], is_trained: bool,
        alarm: DomainAlarm,
    ) -> None:
        self._node = node
        self._facts = facts
        self._engine = engine
        self._is_trained = is_trained
        self._alarm = alarm
        self._known_non_finite = 0
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_publisher(self._publisher)

    def publish(
        self, snapshot: Snapshot, complaint: str | None, pair: PairCheck,
    ) -> None:
        """Publish the counts and the current problem, if there is one.

        A result with non-finite network output since the last call is an error.

        Args:
            snapshot: The counts.
            complaint: Reason why there is no output; None if there is output.
            pair: Result of the epipolar check.
        """
        status = DiagnosticStatus(
            name=f'{self._node.get_fully_qualified_name().lstrip("/")}: pipeline',
            hardware_id=self._facts['device'],
            level=DiagnosticStatus.OK,
            message='running' if snapshot.processed else 'waiting for the first pair',
        )
        untrained = '' if self._is_trained else 'UNTRAINED: random weights, labels mean nothing'
        out_of_domain = describe_alarm(self._alarm.state, self._alarm.rule)
        warnings = [text for text in (untrained, out_of_domain, pair.warning) if text]
        if warnings:
            status.level = DiagnosticStatus.WARN
            status.message = '; '.join(warnings)
        is_new = snapshot.non_finite_results > self._known_non_finite
        self._known_non_finite = snapshot.non_finite_results
        non_finite = f'non-finite network output: {snapshot.non_finite_pixels} pixels'
        errors = [text for text in (non_finite if is_new else '', complaint) if text]
        if errors:
            status.level = DiagnosticStatus.ERROR
            status.message = '; '.join(errors)
        status.values = [
            KeyValue(key=key, value=value)
            for key, value in {
                **self._facts, 'engine': self._engine(), **pair.values, **_counts(snapshot),
                **_foreign(self._alarm),
            }.items()
        ]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


def _foreign(alarm: DomainAlarm) -> dict[str, str]:
    if alarm.rule.is_off:
        return {'ood.alarm': 'off'}
    state = alarm.state
    return {
        'ood.share': f'{state.ood_share:.3f}',
        'ood.alarm': 'cleared' if state.raised_s is None else f'raised {state.raised_s:.1f} s',
    }


def _counts(snapshot: Snapshot) -> dict[str, str]:
    values = {
        'pairs_received': str(snapshot.received),
        'pairs_processed': str(snapshot.processed),
        'pairs_dropped': str(sum(snapshot.dropped.values())),
        'rate_hz': f'{snapshot.rate_hz:.2f}',
        'age_of_last_result_s': f'{snapshot.age_of_last_result_s:.2f}',
        'non_finite.results': str(snapshot.non_finite_results),
        'non_finite.pixels': str(snapshot.non_finite_pixels),
    }
    for reason, count in sorted(snapshot.dropped.items()):
        values[f'dropped.{reason}'] = str(count)
    for percentile, latency in zip(('p50', 'p95', 'p99'), snapshot.latency_s, strict=False):
        values[f'latency_{percentile}_ms'] = f'{latency * 1e3:.2f}'
    for stage, seconds in snapshot.stage_s.items():
        values[f'stage.{stage}_ms'] = f'{seconds * 1e3:.3f}'
    if snapshot.disparity_density is not None:
        values['disparity.density'] = f'{snapshot.disparity_density:.3f}'
    if snapshot.disparity_problem:
        values['disparity.problem'] = snapshot.disparity_problem
    return values


_WINDOW = 500  # number of results for percentiles and means


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts and timings at one moment.

    Attributes:
        received: Number of synchronised pairs.
        processed: Number of pairs whose results were published.
        dropped: Number of dropped pairs by reason.
        latency_s: Time from stamp to publishing at the 50th, 95th and 99th percentile [s]; empty
            before the first result.
        rate_hz: Results per second over the window.
        stage_s: Median time of each stage [s].
        age_of_last_result_s: Time since the last result, or since the start [s].
        last_error: Error of the last refused pair.
        disparity_density: Mean share of pixels with a disparity, in [0, 1]; None if no disparity
            was computed.
        disparity_problem: Reason why the last disparity is unknown everywhere; empty if it is
            not.
        non_finite_results: Number of results with pixels whose network output is not finite.
        non_finite_pixels: Number of such pixels in the last of these results.
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
    non_finite_results: int
    non_finite_pixels: int


@dataclass
class Statistics:
    """Counters of pairs; all methods are thread-safe."""

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
    _non_finite_results: int = 0
    _non_finite_pixels: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def receive(self) -> None:
        """Count a synchronised pair."""
        with self._lock:
            self._received += 1

    def drop(self, reason: str, error: str = '') -> int:
        """Count a dropped pair and return the count of its reason."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_error = error or self._last_error
            return self._dropped[reason]

    def finish(self, latency_s: float, stage_s: dict[str, float]) -> None:
        """Count a published result with its stamp-to-publish latency and stage times [s]."""
        with self._lock:
            self._processed += 1
            self._latencies_s.append(latency_s)
            self._stages_s.append(stage_s)
            self._last_result = time.monotonic()
            self._finished.append(self._last_result)
            self._last_error = ''

    def note_disparity(self, density: float, problem: str) -> None:
        """Record the share of pixels with a disparity, and the reason if there are none."""
        with self._lock:
            self._densities.append(density)
            self._disparity_problem = problem

    def note_non_finite(self, num_pixels: int) -> None:
        """Record the number of pixels of a result whose network output is not finite."""
        if num_pixels:
            with self._lock:
                self._non_finite_results += 1
                self._non_finite_pixels = num_pixels

    def snapshot(self) -> Snapshot:
        """Read all counts consistently."""
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
                non_finite_results=self._non_finite_results,
                non_finite_pixels=self._non_finite_pixels,
            )


_ATTEMPTS = 10
_BETWEEN_ATTEMPTS_S = 1.0  # time for the view of the cameras to change


@dataclass(frozen=True, slots=True)
class PairCheck:
    """Result of the epipolar check of the first pairs.

    Attributes:
        values: Entries for diagnostics: 'epipolar.vertical_px' and 'epipolar.matches', or
            'epipolar.state' until they are known.
        warning: Problem and advice; empty if there is none.
    """

    values: dict[str, str] = field(default_factory=lambda: {'epipolar.state': 'not checked yet'})
    warning: str = ''


class EpipolarWatch:
    """Epipolar check of the first pair with enough matches, in a short-lived thread.

    Args:
        rectify: True if the node itself rectifies the images; used in the advice.
    """

    def __init__(self, rectify: bool) -> None:
        self._rectify = rectify
        self._logger = logging.getLogger(__name__)
        self._thread: threading.Thread | None = None
        self._attempts = 0
        self._begun_s = 0.0
        self._stopped = False
        self._decided = False
        self.check = PairCheck()

    def offer(self, frame: StereoFrame) -> None:
        """Start a check of this pair if one is still needed; returns at once."""
        now = time.monotonic()
        if (
            self._stopped or self._decided or self._attempts == _ATTEMPTS
            or (self._thread is not None and self._thread.is_alive())
            or (self._attempts and now - self._begun_s < _BETWEEN_ATTEMPTS_S)
        ):
            return
        self._attempts += 1
        self._begun_s = now
        self._thread = threading.Thread(
            target=self._look, args=(frame,), name='epipolar', daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop checking; return False if a running check exceeds the timeout."""
        self._stopped = True
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _look(self, frame: StereoFrame) -> None:
        if frame.right is None:
            self._decided = True
            self.check = PairCheck({'epipolar.state': 'not checked: there is no right image'})
            return
        try:
            residual = measure_epipolar_residual(frame)
        except Exception as error:  # noqa: BLE001 - a bad frame must not end the node
            self._decided = True
            self._logger.warning('cannot check the rectification: %s', error)
            self.check = PairCheck({'epipolar.state': f'not checked: {error}'})
            return
        if residual is None:
            self.check = PairCheck(
                {'epipolar.state': f'too few matches in {self._attempts} pairs to tell'})
            return
        self._decided = True
        warning = residual.complaint(self._rectify)
        if warning:
            self._logger.warning('%s', warning)
        self.check = PairCheck({
            'epipolar.vertical_px': f'{residual.vertical_px:.2f}',
            'epipolar.matches': str(residual.num_matches),
        }, warning)
