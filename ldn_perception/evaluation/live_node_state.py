# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the perception node says of itself on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FACTS = ('model', 'weights', 'taxonomy', 'device', 'engine', 'matcher')
_WAITING_STAGE = 'wait'


@dataclass(frozen=True, slots=True)
class NodeState:
    """The node's counts at one moment, or over a while.

    Attributes:
        message: Its status in words.
        facts: Model, weights, taxonomy, device, engine and matcher.
        received: Pairs it has put together.
        processed: Pairs it has published results of.
        dropped: Pairs it has not, by reason.
        stage_ms: Median milliseconds of each stage of its last pairs.
    """

    message: str = ''
    facts: dict[str, str] = field(default_factory=dict)
    received: int = 0
    processed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    stage_ms: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_values(cls, message: str, values: Mapping[str, str]) -> NodeState:
        """Read a status of the node.

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
        """Pairs it had neither processed nor dropped."""
        return self.received - self.processed - sum(self.dropped.values())

    @property
    def processing_ms(self) -> float | None:
        """Median time from taking a pair to having published it; None before the first pair."""
        if not self.stage_ms:
            return None
        return sum(value for name, value in self.stage_ms.items() if name != _WAITING_STAGE)

    def since(self, before: NodeState) -> NodeState:
        """What was counted since an earlier moment; a node that was started anew counts whole."""
        if before.received > self.received:
            return self
        dropped = {
            reason: count - before.dropped.get(reason, 0)
            for reason, count in self.dropped.items()}
        return NodeState(
            self.message, self.facts, self.received - before.received,
            self.processed - before.processed,
            {reason: count for reason, count in dropped.items() if count}, self.stage_ms)
