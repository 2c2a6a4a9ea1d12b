# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the laps of one pass: pairs, latency and accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.errors import LdnPerceptionError
from ldn_perception.evaluation.live_matching import LivePair
from ldn_perception.metrics.latency import DurationSummary
from ldn_perception.metrics.pair_scorer import PairScorer, PairScores, ScoringTask

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
BOUND_PROCESSING_TIMES = 2
BOUND_EXTRA_MS = 50.0
_JUMP = 'stamp_jump'

Decode = Callable[[str, Any], 'NDArray[Any]']
"""Decoder from the name of a result or of ground truth (ground_truth/NAME) and its payload."""


@dataclass(slots=True)
class LapTimes:
    """Send times of the pairs and reception times of the labels of one lap, in order [ns]."""

    sent_ns: list[int] = field(default_factory=list)
    heard_ns: list[int] = field(default_factory=list)


class PassScores:
    """Counts and scores over the laps of one pass.

    Args:
        rate: Speed of the pass, 1 = as recorded.
        task: Definition of the comparison.
        decode: Decoder from payloads to pixels, called only for what is scored.

    Attributes:
        sent: Number of sent pairs.
        outcomes: Number of pairs by outcome: scored; no_result (no labels received); no_truth
            (no ground truth to compare with); not_comparable (see `problem`).
        strays: Number of messages without a pair, by reason; see `StampMatcher`.
        laps: Number of started laps.
        node: Counts of the node during the pass.
        problem: First reason why a frame could not be compared; empty if there is none.
    """

    def __init__(self, rate: float, task: ScoringTask, decode: Decode) -> None:
        self.rate = rate
        self._decode = decode
        self.sent = 0
        self.outcomes: Counter[str] = Counter()
        self.strays: Counter[str] = Counter()
        self.laps = 0
        self._scorer = PairScorer(task)
        self.node = NodeState()
        self.problem = ''
        self._times: list[LapTimes] = []
        self._latencies_s: list[float] = []

    def begin_lap(self) -> None:
        """Start a new lap."""
        self.laps += 1
        self._times.append(LapTimes())

    def note_sent(self, sent_ns: int) -> None:
        """Count a pair sent at a system time [ns]."""
        self.sent += 1
        self._times[-1].sent_ns.append(sent_ns)

    def close(self, pair: LivePair) -> dict[str, Any]:
        """Count a pair for which no more messages are expected.

        Returns:
            Stamp, times, outcome and scores of the pair.
        """
        assert pair.sent is not None
        latency_ms = self._note_heard(pair.sent.sent_ns, pair.heard_ns)
        outcome, scores = self._score(pair)
        self.outcomes[outcome] += 1
        return {
            'rate': self.rate, 'lap': self.laps - 1, 'stamp_ns': pair.stamp_ns,
            'sent_ns': pair.sent.sent_ns, 'heard_ns': pair.heard_ns, 'latency_ms': latency_ms,
            'outcome': outcome, **scores,
        }

    def _note_heard(self, sent_ns: int, heard_ns: int | None) -> float | None:
        if heard_ns is None:
            return None
        self._times[-1].heard_ns.append(heard_ns)
        self._latencies_s.append((heard_ns - sent_ns) / NS_PER_S)
        return (heard_ns - sent_ns) / 1e6

    def _score(self, pair: LivePair) -> tuple[str, dict[str, Any]]:
        if pair.heard_ns is None:
            return 'no_result', {}
        try:
            results = self._pixels('', {
                name: result.payload for name, result in pair.results.items()})
            truth = self._pixels('ground_truth/', pair.truth)
            scores = _figures(self._scorer.add(results, truth), truth)
        except LdnPerceptionError as error:
            self.problem = self.problem or str(error)
            return 'not_comparable', {'problem': str(error)}
        return ('scored' if scores else 'no_truth'), scores

    def _pixels(self, prefix: str, payloads: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        return {name: self._decode(prefix + name, payload) for name, payload in payloads.items()}

    @property
    def frames(self) -> PairScores:
        """Accumulated scores of all scored frames."""
        return self._scorer.totals

    @property
    def heard(self) -> int:
        """Number of pairs whose labels were received."""
        return len(self._latencies_s)

    @property
    def latency(self) -> DurationSummary | None:
        """Time from sending pairs to receiving their labels; None if none was received."""
        return DurationSummary.from_seconds(self._latencies_s) if self._latencies_s else None

    @property
    def sent_rate_hz(self) -> float:
        """Pairs per second between the first and the last pair of the laps [Hz]."""
        return _rate_hz([lap.sent_ns for lap in self._times])

    @property
    def heard_rate_hz(self) -> float:
        """Results per second between the first and the last result of the laps [Hz]."""
        return _rate_hz([lap.heard_ns for lap in self._times])

    @property
    def bound_ms(self) -> float | None:
        """Maximum expected age of a result: two processing times plus 50 ms.

        The processing time is the sum of the median stage times of the node except waiting. None
        if the node has reported none.
        """
        processing_ms = self.node.processing_ms
        return None if processing_ms is None else (
            BOUND_PROCESSING_TIMES * processing_ms + BOUND_EXTRA_MS)

    @property
    def above_bound(self) -> int | None:
        """Number of results that were older than the bound when received."""
        bound_ms = self.bound_ms
        return None if bound_ms is None else int(
            (np.asarray(self._latencies_s) * 1e3 > bound_ms).sum())

    @property
    def stamp_jumps(self) -> int:
        """Number of times the stamps jumped back for the node, as in a looping bag.

        Each time, the node counts one pair as received and dropped, for messages that may have
        waited for a partner.
        """
        return self.node.dropped.get(_JUMP, 0)

    @property
    def dropped(self) -> dict[str, int]:
        """Complete pairs that the node received but did not publish, by reason."""
        return {
            reason: count for reason, count in self.node.dropped.items() if reason != _JUMP}

    @property
    def lost_before_node(self) -> int:
        """Number of pairs that did not reach the node completely."""
        return max(0, self.sent - self.node.received + self.stamp_jumps)

    @property
    def lost_after_node(self) -> int:
        """Number of results that the node published but that were not received."""
        return max(0, self.node.processed - self.heard)


def _figures(
    scores: PairScores, truth: Mapping[str, NDArray[Any]],
) -> dict[str, float]:
    """Scores of one frame by name; empty if there was nothing to compare."""
    found: dict[str, float] = {}
    if 'labels' in scores.compared:
        found['mean_iou'] = scores.confusion.mean_iou
        found['pixel_accuracy'] = scores.confusion.pixel_accuracy
    if 'foreign' in scores.compared:
        found['foreign_share'] = float(truth['foreign'].mean())
    if 'disparity' in scores.compared:
        found['d1'], found['disparity_density'] = scores.stereo.d1_all, scores.stereo.density
    return found


def _rate_hz(laps: list[list[int]]) -> float:
    intervals = sum(max(0, len(lap) - 1) for lap in laps)
    span_ns = sum(max(lap) - min(lap) for lap in laps if lap)
    return intervals * NS_PER_S / span_ns if span_ns else 0.0


FACTS = ('model', 'weights', 'taxonomy', 'device', 'engine', 'matcher')
_WAITING_STAGE = 'wait'


@dataclass(frozen=True, slots=True)
class NodeState:
    """Counts of the node at one moment or over a period.

    Attributes:
        message: Message of its status.
        facts: Model, weights, taxonomy, device, engine and matcher.
        received: Number of synchronised pairs.
        processed: Number of pairs with published results.
        dropped: Number of dropped pairs by reason.
        stage_ms: Median time of each stage over its last pairs [ms].
    """

    message: str = ''
    facts: dict[str, str] = field(default_factory=dict)
    received: int = 0
    processed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_values(cls, message: str, values: Mapping[str, str]) -> NodeState:
        """Parse a status of the node.

        Args:
            message: Its message.
            values: Its key-value pairs.
        """
        return cls(
            message, {name: values[name] for name in FACTS if name in values},
            int(values.get('pairs_received', 0)), int(values.get('pairs_processed', 0)),
            {key.removeprefix('dropped.'): int(value) for key, value in values.items()
             if key.startswith('dropped.')},
            {key.removeprefix('stage.').removesuffix('_ms'): float(value)
             for key, value in values.items() if key.startswith('stage.')},
        )

    @property
    def unfinished(self) -> int:
        """Number of pairs neither processed nor dropped."""
        return self.received - self.processed - sum(self.dropped.values())

    @property
    def processing_ms(self) -> float | None:
        """Median time from taking a pair to publishing it [ms]; None before the first pair."""
        if not self.stage_ms:
            return None
        return sum(value for name, value in self.stage_ms.items() if name != _WAITING_STAGE)

    def since(self, before: NodeState) -> NodeState:
        """Counts since an earlier state; all counts if the node was restarted in between."""
        if before.received > self.received:
            return self
        dropped = {
            reason: count - before.dropped.get(reason, 0)
            for reason, count in self.dropped.items()}
        return NodeState(
            self.message, self.facts, self.received - before.received,
            self.processed - before.processed,
            {reason: count for reason, count in dropped.items() if count}, self.stage_ms)
