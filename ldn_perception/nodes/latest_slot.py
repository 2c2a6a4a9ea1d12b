# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A place for one thing, where the newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class LatestSlot(Generic[Item]):
    """Hands the newest item from one thread to another; an item not yet taken is replaced."""

    def __init__(self) -> None:
        self._item: Item | None = None
        self._changed = threading.Condition()

    def put(self, item: Item) -> Item | None:
        """Leave an item and return the one it replaces, if that was not taken."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
            return replaced

    def take(self, timeout_s: float) -> Item | None:
        """Take the item, waiting for one; None when none came in time."""
        with self._changed:
            if self._item is None:
                self._changed.wait(timeout_s)
            item, self._item = self._item, None
            return item
