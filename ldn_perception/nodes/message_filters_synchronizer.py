# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Synchronisation by message_filters, where the ROS 2 installation has it."""

from __future__ import annotations

from typing import Any

from ldn_perception.stamp_joining import OnSet, StampSynchronizer, Synchronizer

try:
    import message_filters
except ImportError:
    message_filters = None

_EXACT_SLOP_S = 1e-9  # its comparison is strict, stamps have whole nanoseconds


def build_synchronizer(num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> Synchronizer:
    """Build the installation's synchroniser, or ours where it has none."""
    kind = StampSynchronizer if message_filters is None else MessageFiltersSynchronizer
    return kind(num_inputs, depth, slop_s, on_set)


class MessageFiltersSynchronizer:
    """Feeds the synchroniser of message_filters; arguments as StampSynchronizer's."""

    def __init__(self, num_inputs: int, depth: int, slop_s: float, on_set: OnSet) -> None:
        self._num_inputs = num_inputs
        self._depth = depth
        self._slop_s = slop_s
        self._on_set = on_set
        self.reset()

    def add(self, index: int, message: Any) -> None:
        """Take a message of one input; see Synchronizer."""
        self._inputs[index].signalMessage(message)

    def reset(self) -> None:
        """Start anew: after a jump back the old one may never match again."""
        self._inputs = [message_filters.SimpleFilter() for _ in range(self._num_inputs)]
        if self._slop_s:
            synchronizer = message_filters.ApproximateTimeSynchronizer(
                self._inputs, self._depth, self._slop_s + _EXACT_SLOP_S)
        else:
            synchronizer = message_filters.TimeSynchronizer(self._inputs, self._depth)
        synchronizer.registerCallback(lambda *messages: self._on_set(messages))
        self._synchronizer = synchronizer
