# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import random

import pytest
from stereo_frames import header, namespace

pytest.importorskip('rclpy', reason='no ROS 2 here')

from ldn_perception.data.stamp_joining import StampSynchronizer
from ldn_perception.ros.nodes.stereo_input import (
    MessageFiltersSynchronizer,
    build_synchronizer,
    message_filters,
)

needs_message_filters = pytest.mark.skipif(
    message_filters is None,
    reason='message_filters comes with a ROS 2 installation, not with the wheels')
SYNCHRONIZERS = [
    StampSynchronizer, pytest.param(MessageFiltersSynchronizer, marks=needs_message_filters)]
MILLISECOND = 1_000_000


def message(index, stamp_ns):
    from builtin_interfaces.msg import Time

    made = namespace({'index': index})
    made.header = header(stamp_ns)
    made.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return made


class Collector:
    def __init__(self, kind, slop_s=0.0, depth=5, num_inputs=3):
        self.sets = []
        self.synchronizer = kind(num_inputs, depth, slop_s, self.sets.append)

    def add(self, index, stamp_ns):
        self.synchronizer.add(index, message(index, stamp_ns))

    @property
    def stamps_ns(self):
        return [
            tuple(part.header.stamp.sec * 10**9 + part.header.stamp.nanosec for part in parts)
            for parts in self.sets
        ]


@pytest.mark.parametrize('kind', SYNCHRONIZERS)
class TestSynchronizerContract:
    def test_a_set_has_every_input_in_order_whatever_the_order_of_arrival(self, kind):
        collector = Collector(kind)
        for index in (2, 0, 1):
            collector.add(index, 1000)
        assert [part.index for part in collector.sets[0]] == [0, 1, 2]
        assert collector.stamps_ns == [(1000, 1000, 1000)]

    def test_exact_means_equal_to_the_nanosecond(self, kind):
        collector = Collector(kind)
        for index, stamp in enumerate((1000, 1000, 1001)):
            collector.add(index, stamp)
        assert not collector.sets

    def test_a_lost_message_costs_its_set_only(self, kind):
        collector = Collector(kind)
        for stamp in (1000, 2000, 3000):
            for index in range(3):
                if (index, stamp) != (1, 2000):
                    collector.add(index, stamp)
        assert [stamps[0] for stamps in collector.stamps_ns] == [1000, 3000]

    def test_a_message_is_used_once(self, kind):
        collector = Collector(kind, slop_s=0.01)
        for index in range(3):
            collector.add(index, MILLISECOND)
        collector.add(0, 2 * MILLISECOND)
        collector.add(1, 2 * MILLISECOND)
        assert len(collector.sets) == 1

    def test_close_stamps_are_paired_and_distant_ones_are_not(self, kind):
        collector = Collector(kind, slop_s=0.01)
        for index, stamp in enumerate((100, 104, 96)):
            collector.add(index, stamp * MILLISECOND)
        for index, stamp in enumerate((200, 204, 215)):
            collector.add(index, stamp * MILLISECOND)
        assert collector.stamps_ns == [
            (100 * MILLISECOND, 104 * MILLISECOND, 96 * MILLISECOND)]

    def test_no_two_messages_of_a_set_are_farther_apart_than_the_slop(self, kind):
        collector = Collector(kind, slop_s=0.01)
        for index, stamp in ((0, 92), (1, 108), (2, 100)):
            collector.add(index, stamp * MILLISECOND)
        assert not collector.sets

    def test_a_difference_of_just_the_slop_is_close_enough(self, kind):
        collector = Collector(kind, slop_s=0.01)
        for index, stamp in enumerate((100, 110, 105)):
            collector.add(index, stamp * MILLISECOND)
        assert len(collector.sets) == 1

    def test_the_nearest_of_several_is_taken(self, kind):
        collector = Collector(kind, slop_s=0.02, num_inputs=2)
        collector.add(0, 90 * MILLISECOND)
        collector.add(0, 99 * MILLISECOND)
        collector.add(1, 100 * MILLISECOND)
        assert collector.stamps_ns == [(99 * MILLISECOND, 100 * MILLISECOND)]

    def test_the_oldest_gives_way_when_too_many_wait(self, kind):
        collector = Collector(kind, depth=3, num_inputs=2)
        for stamp in (1, 2, 3, 4):
            collector.add(0, stamp)
        collector.add(1, 1)
        assert not collector.sets
        collector.add(1, 2)
        assert collector.stamps_ns == [(2, 2)]

    def test_a_reset_forgets_what_waits(self, kind):
        collector = Collector(kind, num_inputs=2)
        collector.add(0, 1000)
        collector.synchronizer.reset()
        collector.add(1, 1000)
        assert not collector.sets
        for index in range(2):
            collector.add(index, 500)
        assert collector.stamps_ns == [(500, 500)]


@needs_message_filters
@pytest.mark.parametrize('slop_s', [0.0, 0.008])
@pytest.mark.parametrize('seed', range(20))
def test_both_find_the_same_sets_in_a_stream_with_losses_and_jitter(seed, slop_s):
    generator = random.Random(seed)
    collectors = [
        Collector(kind, slop_s) for kind in (StampSynchronizer, MessageFiltersSynchronizer)]
    for pair in range(60):
        for index in generator.sample(range(3), 3):
            if generator.random() < 0.9:
                jitter = generator.randrange(8) * MILLISECOND if slop_s else 0
                for collector in collectors:
                    collector.add(index, 33 * pair * MILLISECOND + jitter)
    assert collectors[0].stamps_ns == collectors[1].stamps_ns
    assert len(collectors[0].sets) > 20


def test_the_installations_own_is_used_where_it_is():
    built = build_synchronizer(2, 5, 0.0, lambda messages: None)
    expected = StampSynchronizer if message_filters is None else MessageFiltersSynchronizer
    assert type(built) is expected
