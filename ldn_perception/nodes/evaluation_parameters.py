# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the evaluation node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from ldn_perception.evaluation.live_session import SessionRules
from ldn_perception.evaluation.pair_scorer import OOD_OUTPUTS
from ldn_perception.nodes.parameters import declare_options
from ldn_perception.option import option_field, section_options
from ldn_perception.taxonomy import TAXONOMIES


@dataclass(frozen=True, slots=True)
class EvaluationParameters:
    """What is evaluated, and how long it waits."""

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
        """The part that has nothing to do with ROS."""
        return SessionRules(
            TAXONOMIES[self.ground_truth_taxonomy], self.ood_output, self.waiting_pairs,
            self.settle_s, self.patience_s)

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return Path(self.output).expanduser()


def read_parameters(node: Node) -> EvaluationParameters:
    """Declare the parameters of a node and read them.

    Raises:
        ConfigError: One has a value it cannot have.
    """
    known = tuple(section_options(EvaluationParameters))
    for error in declare_options(node, known):
        raise error
    return EvaluationParameters(**{
        option.name: node.get_parameter(option.name).value for option in known})
