# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Node that scores a perception node's output while a bag with ground truth is played."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import json
import os
from pathlib import Path
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import String, UInt32
from stereo_msgs.msg import DisparityImage

from ldn_perception.config import option_field, section_options
from ldn_perception.data.bag_messages import read_stamp
from ldn_perception.data.messages import plane_from_message
from ldn_perception.errors import EvaluationError, LdnPerceptionError
from ldn_perception.evaluation.live_matching import EVENTS_TOPIC, event_from_text
from ldn_perception.evaluation.live_report import check_scored, to_json, to_table
from ldn_perception.evaluation.live_scores import NodeState
from ldn_perception.evaluation.live_session import LiveSession, SessionRules
from ldn_perception.metrics.pair_scorer import OOD_OUTPUTS
from ldn_perception.ros.nodes.bag_player import EVENTS_QOS, LATCHED_QOS
from ldn_perception.ros.nodes.node_setup import declare_options, run_tool
from ldn_perception.taxonomy import TAXONOMIES

_LOOK_S = 0.2
_LOWEST_PRIORITY = 19
_SILENT_PLAYER_S = 5.0


class EvaluationNode(Node):
    """Subscriber to player and perception node that writes the scores of a live session.

    Files in the folder `output`: evaluation.jsonl, one line per pair, and evaluation.json.

    Attributes:
        session: The evaluation.
        finished: Future that is done when the evaluation is complete, or holds an error if it
            cannot be completed.
    """

    def __init__(self) -> None:
        super().__init__('evaluation_node')
        self._options = read_parameters(self)
        folder = self._options.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lines = (folder / 'evaluation.jsonl').open('w')
        except OSError as error:
            raise EvaluationError(
                'output', must_be='a folder that can be written to', got=str(error),
                do='choose another one') from error
        self.session = LiveSession(self._options.rules, decode_pixels, self._write_line)
        self.finished = Future()
        self._topics: dict[str, Any] = {}
        self._published_pace = -1
        self._started_s = time.monotonic()
        self._player_seen_s: float | None = None
        self._status_name = self.resolve_topic_name(self._options.node).lstrip('/') + (
            ': pipeline')
        # Subscriptions are served in the order of creation: a lap must begin before its pairs.
        self.create_subscription(String, EVENTS_TOPIC, self._hear_event, EVENTS_QOS)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._hear_diagnostics, 10)
        self._pace = self.create_publisher(UInt32, '~/ready', LATCHED_QOS)
        # Simulated time may stand still; this timer must not.
        self.create_timer(_LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _write_line(self, frame: dict[str, Any]) -> None:
        self._lines.write(json.dumps(frame) + '\n')
        self._lines.flush()

    def _hear_event(self, message: String) -> None:
        try:
            self.session.hear_event(event_from_text(message.data), time.monotonic())
        except LdnPerceptionError as error:
            self._fail(error)

    def _hear_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._status_name:
                values = {entry.key: entry.value for entry in status.values}
                self.session.hear_node(
                    NodeState.from_values(status.message, values), time.monotonic())

    def _fail(self, error: LdnPerceptionError) -> None:
        if not self.finished.done():
            self.finished.set_exception(error)

    def _look(self) -> None:
        now_s = time.monotonic()
        try:
            if self.session.task is None:
                self._check_start(now_s)
                return
            self._subscribe()
        except LdnPerceptionError as error:
            self._fail(error)
            return
        self._watch_player(now_s)
        self.session.look(now_s)
        self._let_begin()
        if self.session.is_finished and not self.finished.done():
            self.finished.set_result(None)

    def _let_begin(self) -> None:
        # Checked only once: if the node disappears later, the player must not be blocked.
        may_begin = self._published_pace >= 0 or self._hears_everything()
        if may_begin and self._published_pace != self.session.ready_for:
            self._published_pace = self.session.ready_for
            self._pace.publish(UInt32(data=self._published_pace))

    def _check_start(self, now_s: float) -> None:
        if now_s - self._started_s <= self._options.wait_s:
            return
        missing = ' and '.join(
            name for name, heard in (
                (f'a player on {EVENTS_TOPIC}', self.session.plan),
                (f'{self._options.node} on /diagnostics', self.session.node))
            if heard is None)
        raise EvaluationError(
            'live evaluation', must_be=f'begun within {self._options.wait_s:g} s',
            got=f'nothing from {missing}', do='start them, or raise wait_s')

    def _subscribe(self) -> None:
        """Subscribe to all topics that have appeared since the last call."""
        assert self.session.plan is not None
        wanted: dict[str, tuple[str, Callable[..., None]]] = {}
        for name in self.session.wanted_results:
            private = '' if name == 'disparity' else f'{self._options.node}/'
            wanted[name] = private + name, self.session.add_result
        for name in self.session.plan.ground_truth:
            topic = f'ground_truth/{name}'
            wanted[topic] = topic, self.session.add_truth
        for key, (topic, hear) in wanted.items():
            if key in self._topics:
                continue
            publishers = self.get_publishers_info_by_topic(self.resolve_topic_name(topic))
            if publishers:
                self._topics[key] = self._listen(key, topic, hear, publishers[0].qos_profile)
        self._num_wanted = len(wanted)

    def _listen(
        self, key: str, topic: str, hear: Callable[..., None], offered: QoSProfile,
    ) -> Any:
        name = key.removeprefix('ground_truth/')

        def hear_result(cdr: bytes, info: dict[str, Any]) -> None:
            # Some middleware provides no reception time.
            heard_ns = info['received_timestamp'] or time.time_ns()
            hear(name, read_stamp(cdr), cdr, heard_ns, time.monotonic())

        def hear_truth(cdr: bytes, info: dict[str, Any]) -> None:
            hear(name, read_stamp(cdr), cdr, time.monotonic())

        qos = QoSProfile(
            depth=self._options.queue_depth,
            reliability=ReliabilityPolicy.BEST_EFFORT
            if offered.reliability == ReliabilityPolicy.BEST_EFFORT
            else ReliabilityPolicy.RELIABLE)
        callback: Callable[..., None] = hear_result if key == name else hear_truth
        return self.create_subscription(MESSAGE_TYPES[key], topic, callback, qos, raw=True)

    def _hears_everything(self) -> bool:
        return len(self._topics) == self._num_wanted and all(
            subscription.get_publisher_count() for subscription in self._topics.values())

    def _watch_player(self, now_s: float) -> None:
        if self.count_publishers(self.resolve_topic_name(EVENTS_TOPIC)):
            self._player_seen_s = now_s
        elif self._player_seen_s is not None and now_s - self._player_seen_s > _SILENT_PLAYER_S:
            self.session.lose_player(now_s)

    def close(self) -> None:
        """Write the report of the received results, and log it as a table."""
        self.session.interrupt()
        self._lines.close()
        truth = self._options.rules.truth
        text = json.dumps(to_json(self.session, truth), indent=2)
        (self._options.folder / 'evaluation.json').write_text(text + '\n')
        if self.session.passes:
            # After a signal the ROS log is no longer available.
            say = self.get_logger().info if rclpy.ok() else print
            say(to_table(self.session, truth))


def main() -> None:
    """Evaluate until the player has finished."""
    # Scoring must not take CPU time from the node under test.
    os.nice(_LOWEST_PRIORITY)

    def evaluate() -> None:
        node = EvaluationNode()
        try:
            rclpy.spin_until_future_complete(node, node.finished)
        finally:
            node.close()
        if node.finished.done():
            node.finished.result()
            check_scored(node.session)

    run_tool('evaluation_node', evaluate)


@dataclass(frozen=True, slots=True)
class EvaluationParameters:
    """Parameters of the evaluation node."""

    output: str = option_field(
        'replay_eval', 'Folder for evaluation.json and evaluation.jsonl.')
    node: str = option_field('stereo_seg_node', 'Name of the perception node.')
    ood_output: str = option_field(
        OOD_OUTPUTS[0], 'Result held against foreign objects; the node takes longer for '
        'probabilities than for the mask.', choices=OOD_OUTPUTS)
    ground_truth_taxonomy: str = option_field(
        'cityscapes', 'Classes of the ground-truth labels.', choices=tuple(TAXONOMIES))
    waiting_pairs: int = option_field(
        128, 'Pairs that may wait for a part of theirs at the same time.', minimum=2,
        maximum=100_000)
    queue_depth: int = option_field(
        50, 'Messages the middleware keeps of each topic.', minimum=1, maximum=10_000)
    settle_s: float = option_field(
        3.0, 'A lap is over when nothing has come for so long and the node has no pair in work.',
        unit='s', minimum=0.1, maximum=600.0)
    patience_s: float = option_field(
        120.0, 'A lap is over, whatever the node says, when nothing has come for so long.',
        unit='s', minimum=1.0, maximum=86_400.0)
    wait_s: float = option_field(
        120.0, 'Time to wait for player and node at the start.', unit='s', minimum=1.0,
        maximum=86_400.0)

    @property
    def rules(self) -> SessionRules:
        """Session rules, which are independent of ROS."""
        return SessionRules(
            TAXONOMIES[self.ground_truth_taxonomy], self.ood_output, self.waiting_pairs,
            self.settle_s, self.patience_s)

    @property
    def folder(self) -> Path:
        """Output folder."""
        return Path(self.output).expanduser()


def read_parameters(node: Node) -> EvaluationParameters:
    """Declare the parameters of a node and read them.

    Raises:
        ConfigError: A parameter has an invalid value.
    """
    known = tuple(section_options(EvaluationParameters))
    for error in declare_options(node, known):
        raise error
    return EvaluationParameters(**{
        option.name: node.get_parameter(option.name).value for option in known})


MESSAGE_TYPES = {
    'labels': Image,
    'foreign_probability': Image,
    'ood_mask': Image,
    'disparity': DisparityImage,
    'ground_truth/labels': Image,
    'ground_truth/foreign': Image,
    'ground_truth/disparity': DisparityImage,
}

def decode_pixels(name: str, cdr: bytes) -> NDArray[Any]:
    """Decode a message to pixels.

    Args:
        name: Result or ground truth, a key of MESSAGE_TYPES.
        cdr: Serialised message.

    Returns:
        (H, W) uint8 ids or mask, bool for ground_truth/foreign, float32 for probabilities,
        float32 for disparities as sent [px] with NaN where unknown.

    Raises:
        MessageError: The encoding is unknown, or sizes contradict each other.
    """
    pixels = plane_from_message(name, deserialize_message(cdr, MESSAGE_TYPES[name]))
    return pixels > 0 if name == 'ground_truth/foreign' else pixels


if __name__ == '__main__':
    main()
