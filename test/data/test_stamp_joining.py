# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np

from ldn_perception.data.stamp_joining import StampReader, pair_stamps


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


def test_items_are_taken_out_by_stamp_and_read_no_further_than_needed():
    items = iter([(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')])
    reader = StampReader(items, max_waiting=2)
    assert [reader.take(stamp) for stamp in (3, 1, 2)] == ['c', 'a', 'b']
    assert next(items) == (4, 'd')
    assert reader.take(4) is None


def test_an_item_behind_too_many_others_is_not_found():
    reader = StampReader([(1, 'a'), (2, 'b'), (3, 'c')], max_waiting=1)
    assert reader.take(3) is None


def test_recordings_of_one_order_keep_nothing():
    reader = StampReader([(1, 'a'), (2, 'b'), (3, 'c')])
    assert [reader.take(stamp) for stamp in (2, 1)] == ['b', None]
