# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says about itself on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from ldn_perception.domain_alarm import DomainAlarm, describe_alarm
from ldn_perception.nodes.epipolar_watch import PairCheck
from ldn_perception.nodes.statistics import Snapshot


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
