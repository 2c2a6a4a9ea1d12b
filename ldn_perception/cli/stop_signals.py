# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and its kin as a wish that is granted at the next good moment."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Within it the first SIGINT or SIGTERM is noted; the second does what it always does.

    Attributes:
        received: Name of the signal that came; empty if none did.
    """

    def __init__(self) -> None:
        self.received = ''
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
