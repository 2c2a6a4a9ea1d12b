# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exports that are waited for in a thread."""

from __future__ import annotations

from collections.abc import Sequence
import logging
import threading
import time
from typing import Protocol

from ldn_perception.inference.deployed_network import ImageSize


class Exporter(Protocol):
    """Makes artefacts, somewhere else than in this process."""

    def export(self, engine: str, size: ImageSize) -> None:
        """Export into the cache for a backend by name; see `ExportProcess.export`."""
        ...

    def stop(self) -> None:
        """End an export that is in work."""
        ...


class BackgroundExports:
    """Exports for one backend after the other; the thread only waits and computes nothing.

    Args:
        exporter: Does it.
        names: Names of the backends.
        size: Size of the images.

    Attributes:
        names: Names of the backends.
        failures: What went wrong, by name.
    """

    def __init__(self, exporter: Exporter, names: Sequence[str], size: ImageSize) -> None:
        self._exporter = exporter
        self.names = names
        self._size = size
        self._present: tuple[str, float] | None = None
        self.failures: dict[str, Exception] = {}
        self._thread = threading.Thread(target=self._run, name='exports', daemon=True)

    def start(self) -> None:
        """Begin with the first one."""
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do of what was begun."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Return when nothing is left to do of what was begun."""
        if self._thread.is_alive():
            self._thread.join()

    def describe(self) -> str:
        """What is exported now and for how long; '' for nothing."""
        present = self._present
        if present is None:
            return ''
        name, started_s = present
        seconds = time.monotonic() - started_s
        return f'{name} is exported for {self._size} ({seconds:.0f} s so far)'

    def _run(self) -> None:
        logger = logging.getLogger(__name__)
        for name in self.names:
            started_s = time.monotonic()
            self._present = name, started_s
            try:
                self._exporter.export(name, self._size)
                logger.info('%s is exported for %s: %.0f s', name, self._size,
                            time.monotonic() - started_s)
            except Exception as error:  # noqa: BLE001 - told when it would be loaded
                self.failures[name] = error
        self._present = None
