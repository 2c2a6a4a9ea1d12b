# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Playback events, and results joined with truth by stamp.

Events: A *pass* is the bag at one rate, a *lap* one playing of it from its beginning to its end.
Laps are numbered over all passes.
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
    """A player is there and knows what it is going to play.

    Attributes:
        bag: Path of the bag.
        num_pairs: Left images in it.
        rates: Speed of each pass, 1 = as recorded.
        laps: Laps of each pass; 0 = until the player is told to end.
        ground_truth: Ground truth it plays: labels, foreign, disparity.
        keeps_stamps: Whether stamps stay those of the recording, with the time on /clock.
    """

    bag: str
    num_pairs: int
    rates: tuple[float, ...]
    laps: int
    ground_truth: tuple[str, ...]
    keeps_stamps: bool


@dataclass(frozen=True, slots=True)
class LapBegan:
    """The bag is played from its beginning.

    Attributes:
        lap: Number of the lap, from 0.
        rate_index: Which of the rates of the plan.
    """

    lap: int
    rate_index: int


@dataclass(frozen=True, slots=True)
class PairSent:
    """The first message of a pair is on its way.

    Attributes:
        stamp_ns: Stamp of the left image as it is sent [ns].
        sent_ns: Time of the system clock when the first message of the pair was sent [ns].
    """

    stamp_ns: int
    sent_ns: int


@dataclass(frozen=True, slots=True)
class LapEnded:
    """The last message of a lap has been sent."""


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """Nothing more will come."""


Event = PlaybackPlanned | LapBegan | PairSent | LapEnded | PlaybackEnded

_KINDS = {kind.__name__: kind for kind in (
    PlaybackPlanned, LapBegan, PairSent, LapEnded, PlaybackEnded)}


def event_to_text(event: Event) -> str:
    """Event as one line of JSON."""
    return json.dumps({'event': type(event).__name__, **asdict(event)})


def event_from_text(text: str) -> Event:
    """Read an event.

    Raises:
        EvaluationError: The text is none.
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
"""The result whose arrival counts as that of the pair."""
_CLOSED_PER_WAITING = 8


class HeardResult(NamedTuple):
    """A result that has come in.

    Attributes:
        payload: Whatever the caller keeps of it.
        heard_ns: Time of the system clock when it came in [ns].
    """

    payload: Any
    heard_ns: int


@dataclass(slots=True)
class LivePair:
    """All that is known of one stamp.

    Attributes:
        stamp_ns: The stamp [ns].
        sent: What the player told of the pair; None as long as it has not.
        results: Name of each result that came in -> the result.
        truth: Name of each ground truth that came in -> whatever the caller keeps of it.
    """

    stamp_ns: int
    sent: PairSent | None = None
    results: dict[str, HeardResult] = field(default_factory=dict)
    truth: dict[str, Any] = field(default_factory=dict)

    @property
    def heard_ns(self) -> int | None:
        """When the labels came in [ns]; None if they did not."""
        return self.results[LABELS].heard_ns if LABELS in self.results else None


class StampMatcher:
    """Collects what belongs to one stamp, in whichever order it comes.

    A pair is closed when everything wanted of it is there. So are then all pairs sent before it:
    the node takes pairs in their order and each topic keeps its own, so nothing of them can come
    any more. The oldest pair gives way when too many wait.

    Args:
        results: Names of the results of a whole pair.
        truth: Names of the ground truth of a whole pair.
        depth: Pairs that may wait at the same time.
        on_close: Called with every pair that was sent, once, when it is closed.

    Attributes:
        strays: Messages that belong to no pair, by reason: unknown_stamp, nothing was sent with
            it; repeated, it was there already; late, its pair had been closed. Pairs that
            gave way: displaced.
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
        """Pairs that were sent and are not closed."""
        return sum(pair.sent is not None for pair in self._waiting.values())

    def send(self, sent: PairSent) -> None:
        """Take note of a pair that was sent."""
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
        """Take a result.

        Args:
            name: Which result.
            stamp_ns: Its stamp [ns].
            payload: What the closed pair shall have of it.
            heard_ns: Time of the system clock when it came in [ns].
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
        """Take ground truth; arguments as for a result."""
        pair = self._find(stamp_ns)
        if pair is None:
            return
        if name in pair.truth:
            self.strays['repeated'] += 1
            return
        pair.truth[name] = payload
        self._close_if_whole(pair)

    def close_all(self) -> None:
        """Close whatever waits, as at the end of a lap, and forget all stamps."""
        while self._waiting:
            self._close_oldest()
        self._closed.clear()

    def _refuse_early(self, pair: LivePair, name: str) -> None:
        """A result older than its pair is that of the lap before, which had the same stamps."""
        del pair.results[name]
        self.strays['late'] += 1

    def _find(self, stamp_ns: int) -> LivePair | None:
        """Pair of a stamp, a new one if need be; None if it has been closed."""
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
