# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights correct-prior`: adapt weights to roads with fewer foreign objects than in training.

Without --output the file itself is replaced.
"""

from __future__ import annotations

import argparse

from ldn_perception.build import find_taxonomy
from ldn_perception.cli import options
from ldn_perception.cli.given_weights import add_changed_weights, find_changed_weights
from ldn_perception.models.class_prior import multiply_foreign_odds
from ldn_perception.models.weights import read_weights_header

EXAMPLE = (
    'ldn weights correct-prior trained.safetensors --foreign-odds 0.5 '
    '--output corrected.safetensors')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    add_changed_weights(parser)
    options.add_output(parser, required=False)
    options.add_overwrite(parser)
    parser.add_argument(
        '--foreign-odds', type=float, required=True, metavar='FACTOR',
        help='factor for the odds of foreign against driving classes')


def run(given: argparse.Namespace) -> int:
    """Correct and print a summary."""
    source, output = find_changed_weights(given)
    taxonomy = find_taxonomy(source, read_weights_header(source))
    header = multiply_foreign_odds(source, output, taxonomy.num_driving, given.foreign_odds)
    print(f'{output}: {header.model_name}, foreign odds {header.summary["foreign_odds"]:g} times '
          'those of the training')
    return 0
