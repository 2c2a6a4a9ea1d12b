# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder that writes the results of a stereo_seg_node to a bag."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import json
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ldn_perception.data.bag_writers import RawBagWriter
from ldn_perception.errors import BagError
from ldn_perception.ros.nodes.node_setup import run_tool
from ldn_perception.ros.nodes.outputs import OUTPUTS
from ldn_perception.ros.nodes.stereo_input import type_name

_PERIOD_S = 0.2


class BagRecorder(Node):
    """Node that writes results as received bytes, with the send time of their publisher.

    Args:
        writer: Writer of the bag.
        outputs: Names of the results: labels, ood_mask, disparity, …
        node_name: Name of the node that publishes them.

    Raises:
        BagError: A result is unknown.
    """

    def __init__(
        self, writer: RawBagWriter, outputs: Sequence[str], node_name: str = 'stereo_seg_node',
    ) -> None:
        super().__init__('bag_recorder')
        self._writer = writer
        self.counts: dict[str, int] = {}
        known = {output.topic.removeprefix('~/'): output for output in OUTPUTS}
        if unknown := sorted(set(outputs) - set(known)):
            raise BagError(
                'results to record', must_be=f'among {", ".join(known)}',
                got=', '.join(unknown), do='name results of the node')
        for name in outputs:
            output = known[name]
            self._record(output.topic.replace('~', node_name), output.message_type)
        self._record('/diagnostics', DiagnosticArray)

    @property
    def unheard(self) -> int:
        """Number of topics without a publisher."""
        return sum(not self.count_publishers(topic) for topic in self.counts)

    def _record(self, topic: str, message_type: type) -> None:
        kind = type_name(message_type)

        def write(cdr: bytes, info: dict[str, Any]) -> None:
            self._writer.write(name, kind, info['source_timestamp'], cdr)
            self.counts[name] += 1

        qos = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
        callback: Callable[..., None] = write  # rclpy gives the information too
        name = self.create_subscription(message_type, topic, callback, qos, raw=True).topic_name
        self.counts[name] = 0
        self._writer.declare(name, kind)


def main(arguments: Sequence[str] | None = None) -> None:
    """Record until the process is stopped."""
    parser = argparse.ArgumentParser('bag_recorder', description=__doc__)
    parser.add_argument('bag', type=Path, help='directory to create')
    parser.add_argument('outputs', nargs='+', help='results: labels ood_mask disparity …')
    options, _ = parser.parse_known_args(arguments)

    def record() -> None:
        with RawBagWriter(options.bag) as writer:
            recorder = BagRecorder(writer, options.outputs)
            recorder.create_timer(_PERIOD_S, lambda: print(
                json.dumps({'unheard': recorder.unheard, **recorder.counts}), flush=True))
            rclpy.spin(recorder)

    run_tool('bag_recorder', record)


if __name__ == '__main__':
    main()
