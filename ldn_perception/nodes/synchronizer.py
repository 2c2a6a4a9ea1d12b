# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of several topics into sets of one moment."""

from __future__ import annotations

from collections.abc import Callable
import itertools
from typing import Any, Protocol

from ldn_perception.messages import stamp_ns

OnSet = Callable[[tuple[Any, ...]], None]


class Synchronizer(Protocol):
    """Collects stamped messages and hands over the sets that belong together.

    A set has one message of each input, in the order of the inputs; a message is part of one set
    at most. The callback only hands over: it must not block or raise.
    """

    def add(self, index: int, message: Any) -> None:
        """Take a message of one input."""
        ...

    def reset(self) -> None:
        """Forget all messages, as after a jump of the stamps."""
        ...


class StampSynchronizer:
    """Synchroniser with the contract of message_filters, for installations without it.

    Args:
        num_inputs: Topics that make up a set.
        depth: Unmatched messages kept of each input; the oldest gives way.
        slop_s: Largest difference between the stamps of a set [s]; 0 wants equal stamps.
        on_set: Called with each set.
    """

    def __init__(self, num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> None:
        self._waiting: list[dict[int, Any]] = [{} for _ in range(num_inputs)]
        self._depth = depth
        self._slop_ns = round(slop_s * 1e9)
        self._on_set = on_set

    def add(self, index: int, message: Any) -> None:
        """Take a message of one input; see Synchronizer."""
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
        """Forget all messages."""
        for messages in self._waiting:
            messages.clear()
