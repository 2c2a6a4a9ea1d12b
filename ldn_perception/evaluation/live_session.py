# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Live evaluation from the plan of the player to the last result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import Any

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.live_matching import (
    LABELS,
    Event,
    LapBegan,
    LapEnded,
    LivePair,
    PairSent,
    PlaybackEnded,
    PlaybackPlanned,
    StampMatcher,
)
from ldn_perception.evaluation.live_scores import Decode, NodeState, PassScores
from ldn_perception.metrics.pair_scorer import OOD_OUTPUTS, ScoringTask
from ldn_perception.taxonomy import CITYSCAPES, TAXONOMIES, Taxonomy


@dataclass(frozen=True, slots=True)
class SessionRules:
    """Rules of a live evaluation.

    Attributes:
        truth: Class list of the ground-truth labels.
        ood_output: Result compared with foreign objects: foreign_probability or ood_mask.
        waiting_pairs: Maximum number of pairs that wait for missing messages.
        settle_s: Time without messages after which a lap is over if the node has no unfinished
            pair [s].
        patience_s: Time without messages after which a lap is over in any case [s].
    """

    truth: Taxonomy = CITYSCAPES
    ood_output: str = OOD_OUTPUTS[0]
    waiting_pairs: int = 128
    settle_s: float = 3.0
    patience_s: float = 120.0


class LiveSession:
    """Scoring of a perception node during playback.

    Every lap is closed before the next one begins: a player that waits for `ready_for` does not
    repeat a stamp while results of the previous lap may still arrive. Players that do not wait
    are supported too; results that arrive too late are then counted as late.

    Arguments named now_s are times of one steady clock.

    Args:
        rules: Rules of the evaluation.
        decode: Decoder from payloads to pixels.
        on_frame: Callback with stamp, times, outcome and scores of every closed pair.

    Attributes:
        plan: Plan of the player; None until it is received.
        node: Last status of the node; None until the first is received.
        passes: Scores of each started pass.
        ready_for: Number of the lap that may begin.
        is_finished: True if nothing more is expected.
        is_complete: True if the player has finished its plan.
    """

    def __init__(
        self, rules: SessionRules, decode: Decode, on_frame: Callable[[dict[str, Any]], None],
    ) -> None:
        self._rules = rules
        self._decode = decode
        self._on_frame = on_frame
        self.plan: PlaybackPlanned | None = None
        self.node: NodeState | None = None
        self.passes: list[PassScores] = []
        self.ready_for = 0
        self.is_finished = False
        self.is_complete = False
        self._is_over = False
        self._task: ScoringTask | None = None
        self._matcher: StampMatcher | None = None
        self._before_pass = NodeState()
        self._rate_index: int | None = None
        self._lap_ended_s: float | None = None
        self._news_s = -math.inf
        self._node_spoke_s = -math.inf

    @property
    def task(self) -> ScoringTask | None:
        """Definition of the comparison; None until both player and node are known.

        Raises:
            EvaluationError: The node does not report a known taxonomy.
            TaxonomyError: The taxonomy cannot be compared with that of the ground truth.
        """
        if self._task is None and self.plan is not None and self.node is not None:
            name = self.node.facts.get('taxonomy', '')
            if name not in TAXONOMIES:
                raise EvaluationError(
                    'taxonomy of the node on /diagnostics',
                    must_be=f'one of {", ".join(TAXONOMIES)}', got=repr(name),
                    do='run node and evaluation of the same version')
            self._task = ScoringTask(self._rules.truth, TAXONOMIES[name], self._rules.ood_output)
        return self._task

    @property
    def wanted_results(self) -> frozenset[str]:
        """Results with ground truth to compare with, and always the labels."""
        assert self.plan is not None
        assert self._task is not None
        return frozenset({LABELS, *map(self._task.result_of, self.plan.ground_truth)})

    def hear_event(self, event: Event, now_s: float) -> None:
        """Process an event of the player."""
        if isinstance(event, PlaybackPlanned):
            self.plan = self.plan or event
        elif isinstance(event, LapBegan):
            self._begin_lap(event)
        elif isinstance(event, PairSent) and self._matcher is not None:
            self.passes[-1].note_sent(event.sent_ns)
            self._matcher.send(event)
        elif isinstance(event, LapEnded):
            self._lap_ended_s = now_s
        elif isinstance(event, PlaybackEnded):
            self._is_over = self.is_complete = True

    def hear_node(self, state: NodeState, now_s: float) -> None:
        """Process a status of the node."""
        self.node, self._node_spoke_s = state, now_s

    def add_result(
        self, name: str, stamp_ns: int, payload: Any, heard_ns: int, now_s: float,
    ) -> None:
        """Add a result; see `StampMatcher`."""
        self._news_s = now_s
        if self._matcher is not None:
            self._matcher.add_result(name, stamp_ns, payload, heard_ns)
        elif self.passes:
            self.passes[-1].strays['late'] += 1

    def add_truth(self, name: str, stamp_ns: int, payload: Any, now_s: float) -> None:
        """Add ground truth; see `StampMatcher`."""
        self._news_s = now_s
        if self._matcher is not None:
            self._matcher.add_truth(name, stamp_ns, payload)
        elif self.passes:
            self.passes[-1].strays['late'] += 1

    def lose_player(self, now_s: float) -> None:
        """Record that the player has disappeared before its end."""
        if not self._is_over:
            self._is_over = True
            self._lap_ended_s = now_s

    def look(self, now_s: float) -> None:
        """Close the lap or the session if it is over; to be called a few times per second."""
        if self._matcher is not None and self._is_settled(now_s):
            self._end_lap()
        if self._is_over and self._matcher is None:
            self.is_finished = True

    def interrupt(self) -> None:
        """Close the current lap at the end of the process."""
        if self._matcher is not None:
            self._end_lap()

    def _begin_lap(self, event: LapBegan) -> None:
        task = self.task
        if task is None:
            return  # of a player that was started earlier and did not wait
        self.interrupt()
        assert self.plan is not None
        if event.rate_index != self._rate_index:
            self._rate_index = event.rate_index
            rate = self.plan.rates[event.rate_index]
            self.passes.append(PassScores(rate, task, self._decode))
            self._before_pass = self.node or NodeState()
        self.passes[-1].begin_lap()
        self._lap_ended_s = None
        self._matcher = StampMatcher(
            self.wanted_results, frozenset(self.plan.ground_truth), self._rules.waiting_pairs,
            self._close)

    def _close(self, pair: LivePair) -> None:
        self._on_frame(self.passes[-1].close(pair))

    def _is_settled(self, now_s: float) -> bool:
        if self._lap_ended_s is None or self._matcher is None or self.node is None:
            return False
        last_s = max(self._lap_ended_s, self._news_s)
        if now_s - last_s >= self._rules.patience_s:
            return True
        if self._node_spoke_s <= last_s or self.node.unfinished > 0:
            return False
        return not self._matcher.num_waiting or now_s - last_s >= self._rules.settle_s

    def _end_lap(self) -> None:
        assert self._matcher is not None
        self._matcher.close_all()
        current = self.passes[-1]
        current.strays += self._matcher.strays
        current.node = (self.node or NodeState()).since(self._before_pass)
        self._matcher = None
        self.ready_for += 1
