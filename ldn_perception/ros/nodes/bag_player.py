# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Player that publishes the stereo topics of a bag in place of the cameras."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import importlib
import itertools
import json
from pathlib import Path
import time
from typing import NamedTuple

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String, UInt32

from ldn_perception.data.bag_messages import RawBag, RawMessage, read_stamp
from ldn_perception.data.bag_reader import RAW_TOPICS, StereoTopics, find_stereo_topics
from ldn_perception.errors import BagError
from ldn_perception.evaluation.live_matching import (
    EVENTS_TOPIC,
    Event,
    LapBegan,
    LapEnded,
    PairSent,
    PlaybackEnded,
    PlaybackPlanned,
    event_to_text,
)
from ldn_perception.ros.nodes.node_setup import run_tool

_POLL_S = 0.02
_SETTLE_S = 1.0
_CLOCK_PERIOD_S = 0.025
_ACKNOWLEDGE_S = 5.0
_NS_PER_S = 1_000_000_000
_GROUND_TRUTH = ('labels', 'foreign', 'disparity')
EVENTS_QOS = QoSProfile(
    depth=1000, reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""Latched: a late subscriber still receives all events of the playback."""
LATCHED_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass(frozen=True, slots=True)
class Playback:
    """Options of a playback.

    Attributes:
        rates: Speed of each pass through the bag, 1 = as recorded.
        laps: Number of times each pass plays the bag; 0 = until the process is stopped.
        raw: True to play unrectified images, on left/image_raw and right/image_raw.
        ground_truth: True to also play the ground truth that the bag contains.
        clock: True to publish the time of the recording on /clock and keep the recorded stamps;
            False to stamp the messages of the same recorded stamp with the current time.
        paced_by: Topic with the number of the lap that may start; empty to start laps at once.
    """

    rates: tuple[float, ...] = (1.0,)
    laps: int = 1
    raw: bool = False
    ground_truth: bool = False
    clock: bool = False
    paced_by: str = ''


class _Moment(NamedTuple):
    """Played stamp and send time of one stamp of the recording [ns]."""

    stamp_ns: int
    sent_ns: int


class BagPlayer(Node):
    """Node that publishes a stereo camera's topics as recorded bytes, at their own rate.

    It publishes its events, such as the send time of each pair, on bag_player/events.

    Args:
        bag: Bag to play.
        playback: Options of the playback.
    """

    def __init__(self, bag: RawBag, playback: Playback) -> None:
        super().__init__('bag_player')
        self._bag = bag
        self._playback = playback
        self._rig = find_stereo_topics(bag.topics, raw=playback.raw)
        self._truth = {
            name: getattr(self._rig, name) for name in _GROUND_TRUTH
            if playback.ground_truth and getattr(self._rig, name) in bag.topics
        }
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        # Not named self._publishers, which rclpy.Node uses.
        self._rig_publishers = {
            topic: self.create_publisher(_message_class(bag.topics[topic]), name, qos)
            for topic, name in self._names().items()
        }
        self._events = self.create_publisher(String, EVENTS_TOPIC, EVENTS_QOS)
        self._clock_publisher = self.create_publisher(Clock, '/clock', qos) if (
            playback.clock) else None
        self._may_begin = -1
        if playback.paced_by:
            self.create_subscription(UInt32, playback.paced_by, self._hear_pace, LATCHED_QOS)
        self._moments: dict[int, _Moment] = {}
        self._told: set[int] = set()
        self._tell(PlaybackPlanned(
            str(bag.path), self.num_pairs, playback.rates, playback.laps, tuple(self._truth),
            playback.clock))

    def _names(self) -> dict[str, str]:
        """Topic of the bag -> topic it is played on."""
        played_as = RAW_TOPICS if self._playback.raw else StereoTopics()
        names = {
            topic: name + ('/compressed' if self._bag.topics[topic].endswith('/CompressedImage')
                           else '')
            for topic, name in zip(self._rig.inputs, played_as.inputs, strict=True)
        }
        return names | {topic: getattr(played_as, name) for name, topic in self._truth.items()}

    @property
    def num_pairs(self) -> int:
        """Number of left images in the bag."""
        return self._bag.message_counts[self._rig.left_image]

    @property
    def played(self) -> dict[int, int]:
        """Stamps of the last lap: recorded -> played [ns]."""
        return {recorded: moment.stamp_ns for recorded, moment in self._moments.items()}

    def _hear_pace(self, message: UInt32) -> None:
        self._may_begin = message.data

    def _tell(self, event: Event) -> None:
        self._events.publish(String(data=event_to_text(event)))

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """Wait until every topic has a subscriber and, if paced, the first lap may start.

        Raises:
            BagError: A topic has no subscriber, or the first lap may not start, within the
                timeout.
        """
        deadline = time.monotonic() + timeout_s
        while (lonely := self._lonely()) or not self._may_play(0):
            if time.monotonic() > deadline:
                raise BagError(
                    'topics to play', must_be=f'subscribed within {timeout_s:g} s',
                    got=f'no subscriber on {", ".join(lonely)}' if lonely
                    else f'no {self._playback.paced_by}',
                    do='start the node first, or play with --wait-s 0',
                )
            self._rest()
        # A subscriber detects the match later than the publisher does.
        time.sleep(_SETTLE_S)

    def _lonely(self) -> list[str]:
        return [
            publisher.topic_name for publisher in self._rig_publishers.values()
            if not publisher.get_subscription_count()
        ]

    def _may_play(self, lap: int) -> bool:
        return not self._playback.paced_by or self._may_begin >= lap

    def _rest(self) -> None:
        if self._playback.paced_by:
            rclpy.spin_once(self, timeout_sec=_POLL_S)
        else:
            time.sleep(_POLL_S)

    def play(self) -> None:
        """Publish every message when it is due; print one JSON line per pair.

        Raises:
            BagError: The pacing topic has lost its publisher before the last lap.
        """
        for lap, rate_index in enumerate(self._laps()):
            while rclpy.ok() and not self._may_play(lap):
                self._check_pacer(lap)
                self._rest()
            if not self._play_lap(lap, rate_index):
                return
        self._tell(PlaybackEnded())
        self._events.wait_for_all_acked(Duration(seconds=_ACKNOWLEDGE_S))
        # Messages that a busy subscriber has not taken yet are lost with the sender's memory.
        time.sleep(_SETTLE_S)

    def _laps(self) -> Iterator[int]:
        """Yield the index of the rate of each lap."""
        for rate_index in range(len(self._playback.rates)):
            laps = self._playback.laps
            yield from itertools.repeat(rate_index, laps) if laps else itertools.repeat(rate_index)

    def _check_pacer(self, lap: int) -> None:
        if lap and not self.count_publishers(self._playback.paced_by):
            raise BagError(
                f'topic {self._playback.paced_by}', must_be='published until the last lap',
                got=f'no publisher before lap {lap}', do='look at the log of who published it')

    def _play_lap(self, lap: int, rate_index: int) -> bool:
        """Play the bag once; return False if the process was stopped."""
        if not rclpy.ok():
            return False
        self._moments, self._told = {}, set()
        self._tell(LapBegan(lap, rate_index))
        rate, first_ns = self._playback.rates[rate_index], None
        for message in self._bag.messages(list(self._rig_publishers)):
            if first_ns is None:
                first_ns, started = message.receive_ns, time.monotonic()
            elapsed_s = (message.receive_ns - first_ns) / _NS_PER_S
            self._wait_until(started + elapsed_s / rate, message.receive_ns, rate)
            if not rclpy.ok():
                return False
            self._send(message, self._rig_publishers[message.topic])
        self._tell(LapEnded())
        return True

    def _wait_until(self, due: float, time_ns: int, rate: float) -> None:
        """Sleep until `due` on the steady clock [s], when the recording has time time_ns."""
        while (left_s := due - time.monotonic()) > 0 and rclpy.ok():
            self._publish_clock(time_ns - round(left_s * rate * _NS_PER_S))
            time.sleep(left_s if self._clock_publisher is None else min(left_s, _CLOCK_PERIOD_S))
        self._publish_clock(time_ns)

    def _publish_clock(self, time_ns: int) -> None:
        """Publish the time of the recording [ns], where a clock is wanted."""
        if self._clock_publisher is None:
            return
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(time_ns, _NS_PER_S)
        self._clock_publisher.publish(message)

    def _send(self, message: RawMessage, publisher: Publisher) -> None:
        recorded = read_stamp(message.cdr)
        if recorded not in self._moments:
            now_ns = self.get_clock().now().nanoseconds
            self._moments[recorded] = _Moment(
                recorded if self._playback.clock else now_ns, now_ns)
            print(json.dumps({'sent': len(self._moments), 'of': self.num_pairs}), flush=True)
        moment = self._moments[recorded]
        is_left = message.topic in (self._rig.left_image, self._rig.left_info)
        if is_left and recorded not in self._told:
            self._told.add(recorded)
            self._tell(PairSent(moment.stamp_ns, moment.sent_ns))
        publisher.publish(message.with_stamp(moment.stamp_ns).cdr)


def _message_class(name: str) -> type:
    package, kind, message = name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), message)  # type: ignore[no-any-return]


def _read_rates(text: str) -> tuple[float, ...]:
    try:
        rates = tuple(float(part) for part in text.split(','))
    except ValueError:
        rates = ()
    if not rates or not all(0 < rate < float('inf') for rate in rates):
        raise argparse.ArgumentTypeError(f'must be numbers above 0, got {text!r}: say for '
                                         'example 1, or 1,2,4')
    return rates


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('bag', type=Path)
    parser.add_argument(
        '--rate', type=_read_rates, default=(1.0,),
        help='speed, 1 = as recorded; 1,2,4 plays the bag once at each')
    parser.add_argument('--laps', type=int, default=1, help='how often to play it at each rate')
    parser.add_argument(
        '--loop', action='store_const', const=0, dest='laps',
        help='play it again and again until told to end')
    parser.add_argument(
        '--raw', action='store_true',
        help='play images that are not rectified, on left/image_raw and right/image_raw')
    parser.add_argument(
        '--ground-truth', action='store_true', help='play the ground truth of the bag too')
    parser.add_argument(
        '--clock', action='store_true',
        help='publish /clock and leave the stamps as recorded, for nodes with use_sim_time')
    parser.add_argument(
        '--paced-by', default='', metavar='TOPIC',
        help='wait until the number on this topic (std_msgs/UInt32) is that of the lap')
    parser.add_argument(
        '--wait-s', type=float, default=30.0, help='time to wait for subscribers [s]')
    parser.add_argument(
        '--report', type=Path,
        help='JSON file for the stamps of the last lap: recorded [ns] -> played [ns]')


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a bag and optionally write a report of recorded and played stamps."""
    parser = argparse.ArgumentParser('bag_player', description=__doc__)
    _add_arguments(parser)
    options, _ = parser.parse_known_args(arguments)

    def play() -> None:
        player = BagPlayer(RawBag(options.bag), Playback(
            options.rate, options.laps, options.raw, options.ground_truth, options.clock,
            options.paced_by))
        if options.wait_s:
            player.wait_for_subscribers(options.wait_s)
        player.play()
        if options.report:
            options.report.write_text(json.dumps(player.played))

    run_tool('bag_player', play)


if __name__ == '__main__':
    main()
