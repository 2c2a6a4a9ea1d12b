# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of the node: statistics, epipolar check, messages."""


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
    """Publishes the state of the node.

    Args:
        node: Owner of the publisher.
        facts: What does not change: model, device and the like.
        engine: Tells what runs the network now.
        is_trained: Whether the network has weights.
        alarm: Watches for images that are foreign as a whole.
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
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)

    def close(self) -> None:
        """Take the publisher away."""
        self._node.destroy_publisher(self._publisher)

    def publish(
        self, snapshot: Snapshot, complaint: str | None, pair: PairCheck,
    ) -> None:
        """Publish the counts and, if something is wrong, what it is.

        Args:
            snapshot: The counts.
            complaint: Why nothing comes out; None while something does.
            pair: What the first pairs told of the cameras.
        """
        status = DiagnosticStatus(
            name=f'{self._node.get_fully_qualified_name().lstrip("/")}: corridor',
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
        if complaint:
            status.level = DiagnosticStatus.ERROR
            status.message = complaint
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


_ATTEMPTS = 10
_BETWEEN_ATTEMPTS_S = 1.0  # by then a camera that saw nothing may see something


@dataclass(frozen=True, slots=True)
class PairCheck:
    """What the first pairs told of the cameras.

    Attributes:
        values: For diagnostics: 'epipolar.vertical_px' and 'epipolar.matches', or 'epipolar.state'
            until they are known.
        warning: What is wrong and what to do about it; empty if nothing is.
    """

    values: dict[str, str] = field(default_factory=lambda: {'epipolar.state': 'not checked yet'})
    warning: str = ''


class EpipolarWatch:
    """Checks the first pair that shows enough, in a thread of its own that ends.

    Args:
        rectify: Whether the node rectifies the images itself; for the advice.
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
        """Take a pair if one is needed; returns at once."""
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
        """Take no more pairs; False if the one in work takes longer than the timeout."""
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
        except Exception as error:  # noqa: BLE001 - the node never dies from a frame
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
