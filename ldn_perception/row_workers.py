# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that share the rows, or the paths, of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

_PARTS_PER_THREAD = 4


class RowWorkers:
    """Runs compiled work on parts of a range; the calling thread takes its share.

    Not OpenMP: a second team of its threads would slow every layer of torch's networks.

    Args:
        num_threads: Threads, the calling one among them, >= 1.
    """

    def __init__(self, num_threads: int = 1) -> None:
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(max(1, num_threads - 1), 'rows')

    def share(self, work: Callable[[int, int], None], size: int) -> None:
        """Call work(first, last) for parts that together make range(size).

        Args:
            work: Releases the interpreter lock; parts may run at the same time.
            size: End of the range, >= 0.
        """
        num_parts = min(size, _PARTS_PER_THREAD * self._num_threads)
        bounds = np.linspace(0, size, num_parts + 1).astype(int).tolist()
        parts = iter(list(pairwise(bounds)))
        helpers = [
            self._pool.submit(_take, work, parts) for _ in range(self._num_threads - 1)]
        _take(work, parts)
        for helper in helpers:
            if not helper.cancel():
                helper.result()


def _take(work: Callable[[int, int], None], parts: Iterator[tuple[int, int]]) -> None:
    for first, last in parts:
        work(first, last)
