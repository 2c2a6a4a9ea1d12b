# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the stereo topics of a bag as if the cameras were there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import importlib
import json
from pathlib import Path
import time

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ldn_perception.bags.raw_messages import RawBag, RawMessage, read_stamp
from ldn_perception.bags.topics import RAW_TOPICS, StereoTopics, find_stereo_topics
from ldn_perception.errors import BagError
from ldn_perception.nodes.tool_process import run_tool

_POLL_S = 0.02
_SETTLE_S = 1.0


class BagPlayer(Node):
    """Publishes the four topics of a rig, as the bytes they were recorded as, at their own rate.

    The messages of one moment get the present time as their stamp, so that latency can be
    measured from it.

    Args:
        bag: What to play.
        rate: Speed, 1 = as recorded.
        raw: Play images that are not rectified, on left/image_raw and right/image_raw.
    """

    def __init__(self, bag: RawBag, rate: float = 1.0, raw: bool = False) -> None:
        super().__init__('bag_player')
        self._bag = bag
        self._rate = rate
        self._rig = find_stereo_topics(bag.topics, raw=raw)
        played_as = RAW_TOPICS if raw else StereoTopics()
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        # Not self._publishers, which rclpy.Node owns.
        self._rig_publishers = {
            topic: self.create_publisher(_message_class(bag.topics[topic]), name, qos)
            for topic, name in zip(self._rig.inputs, self._names(played_as), strict=True)
        }
        self.played: dict[int, int] = {}

    def _names(self, played_as: StereoTopics) -> list[str]:
        return [
            name + ('/compressed' if self._bag.topics[topic].endswith('/CompressedImage') else '')
            for topic, name in zip(self._rig.inputs, played_as.inputs, strict=True)
        ]

    @property
    def num_pairs(self) -> int:
        """Left images in the bag."""
        return self._bag.message_counts[self._rig.left_image]

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """Wait until every topic has a subscriber.

        Raises:
            BagError: Some topic has none in time.
        """
        deadline = time.monotonic() + timeout_s
        while lonely := self._lonely():
            if time.monotonic() > deadline:
                raise BagError(
                    'topics to play', must_be=f'subscribed within {timeout_s:g} s',
                    got=f'no subscriber on {", ".join(lonely)}',
                    do='start the node first, or play with --wait-s 0',
                )
            time.sleep(_POLL_S)
        # A subscriber learns of the match later than the publisher does.
        time.sleep(_SETTLE_S)

    def _lonely(self) -> list[str]:
        return [
            publisher.topic_name for publisher in self._rig_publishers.values()
            if not publisher.get_subscription_count()
        ]

    def play(self) -> None:
        """Publish everything at the time it is due; one line a pair on standard output."""
        started, first_ns = time.monotonic(), None
        for message in self._bag.messages(self._rig.inputs):
            first_ns = message.receive_ns if first_ns is None else first_ns
            due = started + (message.receive_ns - first_ns) / 1e9 / self._rate
            time.sleep(max(0.0, due - time.monotonic()))
            if not rclpy.ok():
                return
            self._send(message, self._rig_publishers[message.topic])

    def _send(self, message: RawMessage, publisher: Publisher) -> None:
        stamp = read_stamp(message.cdr)
        if stamp not in self.played:
            self.played[stamp] = self.get_clock().now().nanoseconds
            print(json.dumps({'sent': len(self.played), 'of': self.num_pairs}), flush=True)
        publisher.publish(message.with_stamp(self.played[stamp]).cdr)


def _message_class(name: str) -> type:
    package, kind, message = name.split('/')
    return getattr(importlib.import_module(f'{package}.{kind}'), message)  # type: ignore[no-any-return]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play a bag and, if asked, write which stamp became which."""
    parser = argparse.ArgumentParser('bag_player', description=__doc__)
    parser.add_argument('bag', type=Path)
    parser.add_argument('--rate', type=float, default=1.0, help='speed, 1 = as recorded')
    parser.add_argument(
        '--raw', action='store_true',
        help='play images that are not rectified, on left/image_raw and right/image_raw')
    parser.add_argument(
        '--wait-s', type=float, default=30.0, help='time to wait for subscribers [s]')
    parser.add_argument(
        '--report', type=Path, help='JSON file for the stamps: recorded [ns] -> played [ns]')
    options, _ = parser.parse_known_args(arguments)

    def play() -> None:
        player = BagPlayer(RawBag(options.bag), options.rate, options.raw)
        if options.wait_s:
            player.wait_for_subscribers(options.wait_s)
        player.play()
        if options.report:
            options.report.write_text(json.dumps(player.played))

    run_tool('bag_player', play)


if __name__ == '__main__':
    main()
