# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np

from ldn_perception.bags.stamp_pairing import pair_stamps


def test_equal_stamps_pair_and_others_do_not():
    pairs = pair_stamps([1, 2, 3, 5], [[2, 3, 4, 5], [1, 2, 5], [0, 2, 3, 5]], 0)
    assert pairs == [(2, 2, 2, 2), (5, 5, 5, 5)]


def test_slop_is_the_largest_difference_that_pairs():
    assert pair_stamps([100], [[110]], 10) == [(100, 110)]
    assert pair_stamps([100], [[111]], 10) == []


def test_no_message_serves_two_pairs():
    assert pair_stamps([100, 104], [[103]], 10) == [(104, 103)]
    assert pair_stamps([103], [[100, 104]], 10) == [(103, 104)]


def test_missing_topic_makes_no_pairs():
    assert pair_stamps([1, 2], [[1, 2], []], 5) == []


def test_random_jitter_equals_an_exhaustive_search():
    random = np.random.default_rng(5)
    left = sorted(set((np.arange(40) * 10 + random.integers(-3, 4, 40)).tolist()))
    right = sorted(set((np.arange(40) * 10 + random.integers(-9, 10, 40)).tolist()))
    expected = [
        (a, b) for a, b in itertools.product(left, right)
        if abs(a - b) <= 4
        and min(left, key=lambda stamp, b=b: abs(stamp - b)) == a
        and min(right, key=lambda stamp, a=a: abs(stamp - a)) == b
    ]
    assert pair_stamps(left, [right], 4) == expected
    assert len(expected) > 10
