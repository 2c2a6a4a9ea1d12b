# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn correct-prior`: weights for roads with fewer foreign things than the training showed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ldn_perception.build import find_taxonomy
from ldn_perception.models.class_prior import multiply_foreign_odds
from ldn_perception.models.weights import read_weights_header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        '--weights', type=Path, required=True, help='trained weights (.safetensors)')
    parser.add_argument(
        '--foreign-odds', type=float, required=True, metavar='FACTOR',
        help='what the odds of foreign against driving classes are multiplied by')
    parser.add_argument(
        '--output', type=Path, help='file for the corrected weights; default: the same')


def run(options: argparse.Namespace) -> int:
    """Correct and say what came out."""
    taxonomy = find_taxonomy(options.weights, read_weights_header(options.weights))
    output = options.output or options.weights
    header = multiply_foreign_odds(
        options.weights, output, taxonomy.num_driving, options.foreign_odds)
    print(f'{output}: {header.model_name}, foreign odds {header.summary["foreign_odds"]:g} times '
          'those of the training')
    return 0
