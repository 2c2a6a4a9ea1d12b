# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a bag player tells of its playback, as JSON on one topic.

A *pass* is the bag at one rate, a *lap* one playing of it from its beginning to its end. Laps are
numbered over all passes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
import json
from typing import Any

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
