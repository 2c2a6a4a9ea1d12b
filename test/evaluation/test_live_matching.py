# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from ldn_perception.evaluation.live_matching import PairSent, StampMatcher

RESULTS, TRUTH = frozenset({'labels', 'disparity'}), frozenset({'labels'})


class Lap:
    """A matcher and what it has closed."""

    def __init__(self, depth=16):
        self.closed = []
        self.matcher = StampMatcher(RESULTS, TRUTH, depth, self.closed.append)
        self.strays = self.matcher.strays

    def send(self, stamp, sent=None):
        self.matcher.send(PairSent(stamp, stamp if sent is None else sent))

    def result(self, stamp, name='labels', heard=10**9):
        self.matcher.add_result(name, stamp, f'{name} {stamp}', heard)

    def truth(self, stamp):
        self.matcher.add_truth('labels', stamp, f'truth {stamp}')

    def parts(self, stamp):
        """All calls that make up a pair."""
        return [
            lambda: self.send(stamp), lambda: self.truth(stamp), lambda: self.result(stamp),
            lambda: self.result(stamp, 'disparity')]

    @property
    def stamps(self):
        return [pair.stamp_ns for pair in self.closed]


@pytest.mark.parametrize('seed', range(20))
def test_a_pair_is_closed_when_it_is_whole_in_whichever_order_it_comes(seed):
    lap = Lap()
    parts = lap.parts(7)
    random.Random(seed).shuffle(parts)
    for part in parts[:-1]:
        part()
    assert lap.closed == []
    parts[-1]()
    pair, = lap.closed
    assert (pair.stamp_ns, pair.sent, pair.heard_ns) == (7, PairSent(7, 7), 10**9)
    assert {name: result.payload for name, result in pair.results.items()} == {
        'labels': 'labels 7', 'disparity': 'disparity 7'}
    assert pair.truth == {'labels': 'truth 7'}
    assert not lap.strays
    assert lap.matcher.num_waiting == 0


def test_stamps_are_told_apart_to_the_nanosecond():
    lap = Lap()
    for stamp in (10**18, 10**18 + 1):
        lap.send(stamp)
        lap.truth(stamp)
    lap.result(10**18 + 1, heard=2 * 10**18)
    lap.result(10**18 + 1, 'disparity', heard=2 * 10**18)
    first, second = lap.closed
    assert (first.results, first.heard_ns) == ({}, None)
    assert second.results['labels'].payload == f'labels {10**18 + 1}'


def test_a_whole_pair_closes_those_sent_before_it_and_none_after_it():
    lap = Lap()
    for stamp in (1, 2, 3, 4):
        lap.send(stamp)
        lap.truth(stamp)
    lap.result(2)
    lap.result(3)
    lap.result(3, 'disparity')
    assert lap.stamps == [1, 2, 3]
    assert lap.closed[1].heard_ns == 10**9
    assert lap.matcher.num_waiting == 1


def test_the_oldest_pair_gives_way_when_too_many_wait():
    lap = Lap(depth=3)
    for stamp in range(5):
        lap.send(stamp)
    assert lap.stamps == [0, 1]
    assert lap.strays == {'displaced': 2}
    lap.result(0)
    assert lap.strays == {'displaced': 2, 'late': 1}
    assert len(lap.matcher._waiting) == 3


def test_memory_is_bounded_over_a_long_lap():
    lap = Lap(depth=4)
    for stamp in range(1000):
        lap.send(stamp)
        lap.result(stamp + 5000)
    assert len(lap.matcher._waiting) == 4
    assert len(lap.matcher._closed) <= 4 * 8


def test_nothing_is_taken_twice():
    lap = Lap()
    for part in lap.parts(7):
        part()
    lap.result(7)
    lap.truth(7)
    lap.send(8)
    lap.result(8)
    lap.result(8)
    lap.send(8)
    assert lap.stamps == [7]
    assert lap.strays == {'repeated': 4}


def test_messages_of_a_stamp_that_was_never_sent_are_counted():
    lap = Lap()
    lap.result(5)
    lap.truth(5)
    lap.matcher.close_all()
    assert lap.closed == []
    assert lap.strays == {'unknown_stamp': 2}


@pytest.mark.parametrize('order', ['result first', 'pair first'])
def test_a_result_heard_before_its_pair_was_sent_is_that_of_another_lap(order):
    lap = Lap()
    calls = [lambda: lap.result(7, heard=99), lambda: lap.send(7, sent=100)]
    for call in calls if order == 'result first' else calls[::-1]:
        call()
    assert lap.strays == {'late': 1}
    lap.result(7, heard=101)
    lap.matcher.close_all()
    assert lap.closed[0].heard_ns == 101


def test_after_the_end_of_a_lap_its_stamps_can_come_again():
    lap = Lap()
    for _ in range(2):
        for part in lap.parts(7):
            part()
        lap.matcher.close_all()
    assert lap.stamps == [7, 7]
    assert not lap.strays
