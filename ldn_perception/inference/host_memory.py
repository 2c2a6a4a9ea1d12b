# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Memory of the process, for networks on the CPU."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # names of glibc's mallopt
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Let the C library keep the memory of activations instead of giving it back.

    By default glibc returns it to the kernel after every network run, and the next run pays for
    thousands of page faults. Affects the whole process: for main functions only.

    Returns:
        Whether the C library can do so; only glibc can.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all((
        mallopt(_ARENA_MAX, 1),
        mallopt(_MMAP_THRESHOLD, _KEEP_BYTES),
        mallopt(_TRIM_THRESHOLD, _KEEP_BYTES),
    ))
