# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching of messages and samples by stamp, for recordings and live streams."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
import itertools
from typing import Any, Generic, Protocol, TypeVar

from ldn_perception.data.messages import stamp_ns

Item = TypeVar('Item')
OnSet = Callable[[tuple[Any, ...]], None]


def pair_stamps(
    left_ns: Sequence[int], others_ns: Sequence[Sequence[int]], slop_ns: int
) -> list[tuple[int, ...]]:
    """Match every left stamp with the nearest stamp of every other topic.

    Two stamps match if each is the nearest of the other and they differ by at most `slop_ns`, so
    no message is part of two pairs. With `slop_ns` = 0 only equal stamps match.

    Args:
        left_ns: Increasing stamps without duplicates [ns].
        others_ns: Stamps of every other topic, likewise.
        slop_ns: Largest difference from the left stamp, >= 0 [ns].

    Returns:
        Sets (left, other, other, …) with one stamp per topic, by increasing left stamp.
    """
    pairs = []
    for stamp in left_ns:
        partners = [_partner(stamp, left_ns, other, slop_ns) for other in others_ns]
        found = [partner for partner in partners if partner is not None]
        if len(found) == len(partners):
            pairs.append((stamp, *found))
    return pairs


def _partner(
    stamp_ns: int, left_ns: Sequence[int], other_ns: Sequence[int], slop_ns: int
) -> int | None:
    nearest = _nearest(other_ns, stamp_ns)
    if nearest is None or abs(nearest - stamp_ns) > slop_ns:
        return None
    return nearest if _nearest(left_ns, nearest) == stamp_ns else None


def _nearest(stamps_ns: Sequence[int], stamp_ns: int) -> int | None:
    position = bisect_left(stamps_ns, stamp_ns)
    around = stamps_ns[max(0, position - 1):position + 1]
    return min(around, key=lambda candidate: abs(candidate - stamp_ns), default=None)


class StampReader(Generic[Item]):
    """Items of a recording by stamp; reads only as far as needed.

    Args:
        items: Pairs of stamp [ns] and item.
        max_waiting: Limit of skipped items kept for later; None drops them, for recordings in the
            order of the requested stamps.
    """

    def __init__(self, items: Iterable[tuple[int, Item]], max_waiting: int | None = None) -> None:
        self._items = iter(items)
        self._max_waiting = max_waiting
        self._waiting: dict[int, Item] = {}

    def take(self, wanted_ns: int | None) -> Item | None:
        """Return the item of a stamp; None if it is missing or too many others come first."""
        if wanted_ns in self._waiting:
            return self._waiting.pop(wanted_ns)
        for stamp, item in self._items:
            if stamp == wanted_ns:
                return item
            if self._max_waiting is not None:
                self._waiting[stamp] = item
                if len(self._waiting) > self._max_waiting:
                    break
        return None


class Synchronizer(Protocol):
    """Collector of stamped messages that calls back with matching sets.

    A set has one message per input, in the order of the inputs; a message is part of at most one
    set. The callback must not block or raise.
    """

    def add(self, index: int, message: Any) -> None:
        """Add a message of one input."""
        ...

    def reset(self) -> None:
        """Drop all messages, e.g. after a jump of the stamps."""
        ...


class StampSynchronizer:
    """Synchroniser equivalent to message_filters, for installations without it.

    Args:
        num_inputs: Number of topics in a set.
        depth: Unmatched messages kept per input; the oldest is dropped first.
        slop_s: Largest stamp difference within a set [s]; 0 requires equal stamps.
        on_set: Callback for each set.
    """

    def __init__(self, num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> None:
        self._waiting: list[dict[int, Any]] = [{} for _ in range(num_inputs)]
        self._depth = depth
        self._slop_ns = round(slop_s * 1e9)
        self._on_set = on_set

    def add(self, index: int, message: Any) -> None:
        """Add a message of one input; see Synchronizer."""
        stamp = stamp_ns(message.header)
        waiting = self._waiting[index]
        waiting[stamp] = message
        if len(waiting) > self._depth:
            del waiting[min(waiting)]
        if stamp not in waiting:
            return
        candidates = [
            sorted((other for other in messages if abs(other - stamp) <= self._slop_ns),
                   key=lambda other: abs(other - stamp))
            for messages in self._waiting
        ]
        candidates[index] = [stamp]
        for stamps in itertools.product(*candidates):
            if max(stamps) - min(stamps) <= self._slop_ns:
                self._on_set(tuple(
                    messages.pop(other)
                    for messages, other in zip(self._waiting, stamps, strict=True)))
                return

    def reset(self) -> None:
        """Drop all messages."""
        for messages in self._waiting:
            messages.clear()
