# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A live evaluation from the plan of the player to the last result."""


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
    """How a live evaluation is done.

    Attributes:
        truth: Classes of the ground-truth labels.
        ood_output: Result that is held against foreign objects: foreign_probability or ood_mask.
        waiting_pairs: Pairs that may wait for a part of theirs at the same time.
        settle_s: A lap is over when nothing has come for so long and the node has no pair in
            work [s].
        patience_s: A lap is over, whatever the node says, when nothing has come for so long [s].
    """

    truth: Taxonomy = CITYSCAPES
    ood_output: str = OOD_OUTPUTS[0]
    waiting_pairs: int = 128
    settle_s: float = 3.0
    patience_s: float = 120.0


class LiveSession:
    """Follows player and node, and scores what both say and publish.

    Every lap is closed before the next one begins: a player that waits for `ready_for` never
    sends a stamp anew while results of the lap before may still come. One that does not wait
    is followed as well; what then comes too late is counted as late.

    Times called now_s are of one steady clock.

    Args:
        rules: How it is done.
        decode: Makes pixels of payloads.
        on_frame: Called with what is to be said of every pair that is closed.

    Attributes:
        plan: What the player is going to do; None until it has said so.
        node: What the node said last; None until it has spoken.
        passes: Scores of each rate, as far as it has begun.
        ready_for: Number of the lap that may begin.
        is_finished: Whether nothing more is to be waited for.
        is_complete: Whether the player has come to its end.
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
        """What is compared with what; None until player and node have spoken.

        Raises:
            EvaluationError: The node does not say which classes it publishes.
            TaxonomyError: They cannot be compared with those of the ground truth.
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
        """Results that there is ground truth for, and labels in any case."""
        assert self.plan is not None
        assert self._task is not None
        return frozenset({LABELS, *map(self._task.result_of, self.plan.ground_truth)})

    def hear_event(self, event: Event, now_s: float) -> None:
        """Take an event of the player."""
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
        """Take what the node says of itself."""
        self.node, self._node_spoke_s = state, now_s

    def add_result(
        self, name: str, stamp_ns: int, payload: Any, heard_ns: int, now_s: float,
    ) -> None:
        """Take a result; see `StampMatcher`."""
        self._news_s = now_s
        if self._matcher is not None:
            self._matcher.add_result(name, stamp_ns, payload, heard_ns)
        elif self.passes:
            self.passes[-1].strays['late'] += 1

    def add_truth(self, name: str, stamp_ns: int, payload: Any, now_s: float) -> None:
        """Take ground truth; see `StampMatcher`."""
        self._news_s = now_s
        if self._matcher is not None:
            self._matcher.add_truth(name, stamp_ns, payload)
        elif self.passes:
            self.passes[-1].strays['late'] += 1

    def lose_player(self, now_s: float) -> None:
        """Take note that the player is gone without having come to its end."""
        if not self._is_over:
            self._is_over = True
            self._lap_ended_s = now_s

    def look(self, now_s: float) -> None:
        """Close what is over; to be called a few times a second."""
        if self._matcher is not None and self._is_settled(now_s):
            self._end_lap()
        if self._is_over and self._matcher is None:
            self.is_finished = True

    def interrupt(self) -> None:
        """Close what has begun, at the end of the process."""
        if self._matcher is not None:
            self._end_lap()

    def _begin_lap(self, event: LapBegan) -> None:
        task = self.task
        if task is None:
            return  # of a player that was there before us and did not wait
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
