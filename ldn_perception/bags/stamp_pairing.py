# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which messages of several topics belong to one exposure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def pair_stamps(
    left_ns: Sequence[int], others_ns: Sequence[Sequence[int]], slop_ns: int
) -> list[tuple[int, ...]]:
    """Match every left stamp with the nearest stamp of every other topic.

    Two stamps match when each is the other's nearest and they are at most `slop_ns` apart, so no
    message serves two pairs. With `slop_ns` = 0 only equal stamps match.

    Args:
        left_ns: Increasing stamps without repetition [ns].
        others_ns: The same of every other topic.
        slop_ns: Largest difference to the left stamp, >= 0 [ns].

    Returns:
        Sets (left, other, other, …) with a stamp of every topic, by increasing left stamp.
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
