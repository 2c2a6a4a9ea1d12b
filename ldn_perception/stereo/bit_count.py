# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How many bits of a code are set, in compiled code."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(nogil=True, inline='always')
def count_bits(value):  # type: ignore[no-untyped-def]
    """Bits of an uint64 that are set: sums of pairs, then of fours, then of bytes."""
    value -= (value >> np.uint64(1)) & np.uint64(0x5555555555555555)
    value = (value & np.uint64(0x3333333333333333)) + (
        (value >> np.uint64(2)) & np.uint64(0x3333333333333333))
    value = (value + (value >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (value * np.uint64(0x0101010101010101)) >> np.uint64(56)
