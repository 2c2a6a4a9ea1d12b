# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Playback events, and matching of results with ground truth by stamp.

A *pass* plays the bag at one rate. A *lap* plays it once from beginning to end. Laps are numbered
over all passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
import json
from typing import Any, NamedTuple

from ldn_perception.errors import EvaluationError

EVENTS_TOPIC = 'bag_player/events'


@dataclass(frozen=True, slots=True)
class PlaybackPlanned:
    """Start of a playback with its plan.

    Attributes:
        bag: Path of the bag.
        num_pairs: Number of left images in it.
        rates: Speed of each pass, 1 = as recorded.
        laps: Laps of each pass; 0 = until the player is stopped.
        ground_truth: Ground truth that is played: labels, foreign, disparity.
        keeps_stamps: True if the recorded stamps are kept, with the time on /clock.
    """

    bag: str
    num_pairs: int
    rates: tuple[float, ...]
    laps: int
    ground_truth: tuple[str, ...]
    keeps_stamps: bool


@dataclass(frozen=True, slots=True)
class LapBegan:
    """Start of a lap.

    Attributes:
        lap: Number of the lap, from 0.
        rate_index: Index of its rate in the plan.
    """

    lap: int
    rate_index: int


@dataclass(frozen=True, slots=True)
class PairSent:
    """Sending of the first message of a pair.

    Attributes:
        stamp_ns: Stamp of the left image as sent [ns].
        sent_ns: System time when the first message of the pair was sent [ns].
    """

    stamp_ns: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class LapEnded:
    """End of a lap: its last message has been sent."""


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """End of the playback."""


Event = PlaybackPlanned | LapBegan | PairSent | LapEnded | PlaybackEnded

_KINDS = {kind.__name__: kind for kind in (
    PlaybackPlanned, LapBegan, PairSent, LapEnded, PlaybackEnded)}


def event_to_text(event: Event) -> str:
    """Format an event as one line of JSON."""
    return json.dumps({'event': type(event).__name__, **asdict(event)})


def event_from_text(text: str) -> Event:
    """Parse an event.

    Raises:
        EvaluationError: The text is not an event.
    """
    try:
        values = json.loads(text)
        kind: Any = _KINDS[values.pop('event')]
        if set(values) != {entry.name for entry in fields(kind)}:
            raise KeyError
        event: Event = kind(**{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        })
        return event
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EvaluationError(
            f'event on {EVENTS_TOPIC}', must_be=f'JSON of one of {", ".join(_KINDS)}',
            got=repr(text[:80]), do='play with the bag_player of the same version',
        ) from None


LABELS = 'labels'
"""Result whose reception counts as that of the pair."""
_CLOSED_PER_WAITING = 8


class HeardResult(NamedTuple):
    """A received result.

    Attributes:
        payload: Data kept by the caller.
        heard_ns: System time of its reception [ns].
    """

    payload: Any
    heard_ns: int


@dataclass(slots=True)
class LivePair:
    """Messages and events of one stamp.

    Attributes:
        stamp_ns: The stamp [ns].
        sent: Event of the player; None until it is received.
        results: Name of a received result -> the result.
        truth: Name of received ground truth -> data kept by the caller.
    """

    stamp_ns: int
    sent: PairSent | None = None
    results: dict[str, HeardResult] = field(default_factory=dict)
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def heard_ns(self) -> int | None:
        """Reception time of the labels [ns]; None if they were not received."""
        return self.results[LABELS].heard_ns if LABELS in self.results else None


class StampMatcher:
    """Matcher of messages by stamp, in any order of arrival.

    A pair is closed when all its results and ground truth are there. All pairs sent before it are
    then closed too: the node processes pairs in order and each topic keeps the order, so no more
    of their messages can arrive. If too many pairs wait, the oldest one is closed.

    Args:
        results: Names of the results of a complete pair.
        truth: Names of the ground truth of a complete pair.
        depth: Maximum number of waiting pairs.
        on_close: Callback for every sent pair, called once when it is closed.

    Attributes:
        strays: Number of messages without a pair, by reason: unknown_stamp (no pair was sent with
            the stamp), repeated (already received), late (the pair was closed before); and of
            pairs closed because too many waited: displaced.
    """

    def __init__(
        self, results: frozenset[str], truth: frozenset[str], depth: int,
        on_close: Callable[[LivePair], None],
    ) -> None:
        self._results = results
        self._truth = truth
        self._depth = depth
        self._on_close = on_close
        self._waiting: dict[int, LivePair] = {}
        self._closed: dict[int, bool] = {}
        self.strays: Counter[str] = Counter()

    @property
    def num_waiting(self) -> int:
        """Number of pairs that were sent and are not closed."""
        return sum(pair.sent is not None for pair in self._waiting.values())

    def send(self, sent: PairSent) -> None:
        """Record a sent pair."""
        pair = self._find(sent.stamp_ns)
        if pair is None:
            return
        if pair.sent is not None:
            self.strays['repeated'] += 1
            return
        pair.sent = sent
        for name, result in tuple(pair.results.items()):
            if result.heard_ns < sent.sent_ns:
                self._refuse_early(pair, name)
        self._close_if_whole(pair)

    def add_result(self, name: str, stamp_ns: int, payload: Any, heard_ns: int) -> None:
        """Add a result.

        Args:
            name: Name of the result.
            stamp_ns: Its stamp [ns].
            payload: Data to keep for the closed pair.
            heard_ns: System time of its reception [ns].
        """
        pair = self._find(stamp_ns)
        if pair is None:
            return
        if name in pair.results:
            self.strays['repeated'] += 1
            return
        pair.results[name] = HeardResult(payload, heard_ns)
        if pair.sent is not None and heard_ns < pair.sent.sent_ns:
            self._refuse_early(pair, name)
        self._close_if_whole(pair)

    def add_truth(self, name: str, stamp_ns: int, payload: Any) -> None:
        """Add ground truth; arguments as for a result."""
        pair = self._find(stamp_ns)
        if pair is None:
            return
        if name in pair.truth:
            self.strays['repeated'] += 1
            return
        pair.truth[name] = payload
        self._close_if_whole(pair)

    def close_all(self) -> None:
        """Close all waiting pairs, as at the end of a lap, and forget all stamps."""
        while self._waiting:
            self._close_oldest()
        self._closed.clear()

    def _refuse_early(self, pair: LivePair, name: str) -> None:
        """Discard a result older than its pair: it belongs to the previous lap's same stamp."""
        del pair.results[name]
        self.strays['late'] += 1

    def _find(self, stamp_ns: int) -> LivePair | None:
        """Find or create the pair of a stamp; None if it has been closed."""
        if stamp_ns in self._closed:
            self.strays['repeated' if self._closed[stamp_ns] else 'late'] += 1
            return None
        if stamp_ns not in self._waiting:
            if len(self._waiting) >= self._depth:
                self.strays['displaced'] += 1
                self._close_oldest()
            self._waiting[stamp_ns] = LivePair(stamp_ns)
        return self._waiting[stamp_ns]

    def _is_whole(self, pair: LivePair) -> bool:
        return (
            pair.sent is not None and self._results <= pair.results.keys()
            and self._truth <= pair.truth.keys())

    def _close_if_whole(self, pair: LivePair) -> None:
        if self._is_whole(pair):
            while pair.stamp_ns in self._waiting:
                self._close_oldest()

    def _close_oldest(self) -> None:
        pair = self._waiting.pop(next(iter(self._waiting)))
        self._closed[pair.stamp_ns] = self._is_whole(pair)
        if len(self._closed) > self._depth * _CLOSED_PER_WAITING:
            del self._closed[next(iter(self._closed))]
        if pair.sent is None:
            self.strays['unknown_stamp'] += len(pair.results) + len(pair.truth)
        else:
            self._on_close(pair)
