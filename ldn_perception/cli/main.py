# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The `ldn` command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import sys

from ldn_perception.cli import (
    calibrate_ood,
    complexity,
    convert,
    demo,
    doctor,
    evaluate,
    evaluate_stereo,
    parameters,
    replay,
    synthesize,
    train,
    train_stereo,
    view,
)
from ldn_perception.errors import LdnPerceptionError

VERBS = {
    'demo': (demo, 'replay a drive through the node over DDS; score it and draw pictures'),
    'replay': (replay, 'take bags through the corridor offline: every pair, scored'),
    'synthesize': (synthesize, 'render a synthetic stereo drive with ground truth'),
    'view': (view, 'make a video of recorded results over their images'),
    'train': (train, 'train a network by a recipe'),
    'train-stereo': (train_stereo, 'train the correspondence metric of the learned matcher'),
    'evaluate': (evaluate, 'score trained weights on a dataset, with pictures'),
    'evaluate-stereo': (evaluate_stereo, 'score matchers on stereo pairs, with pictures'),
    'calibrate-ood': (calibrate_ood, 'choose the foreign threshold for a false positive rate'),
    'convert': (convert, 'make a weights file of a checkpoint of the LDN authors'),
    'complexity': (complexity, 'print sizes and costs of the networks beside the thesis'),
    'doctor': (doctor, 'check a live system: topics, QoS, calibration, rates, clocks, DDS, GPU'),
    'parameters': (parameters, 'print the table of parameters'),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb; an error of ours is one sentence and exit code 1."""
    parser = argparse.ArgumentParser('ldn', description='Stereo segmentation for ROS 2.')
    verbs = parser.add_subparsers(dest='verb', required=True)
    for name, (verb, text) in VERBS.items():
        verb.add_arguments(verbs.add_parser(name, help=text, description=verb.__doc__))
    options = parser.parse_args(arguments)
    try:
        code = VERBS[options.verb][0].run(options)
    except LdnPerceptionError as error:
        print(f'ldn: {error}', file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == '__main__':
    main()
