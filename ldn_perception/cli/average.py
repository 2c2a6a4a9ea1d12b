# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn average`: the mean of trained weights that began with the same ones.

What each of them learned lately is often in the mean. Its batch norms have the mean of their
statistics: `ldn train` with it as initial_weights, an epoch and a learning rate of 1e-8 finds its
own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ldn_perception.models.weights import average_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('sources', type=Path, nargs='+', metavar='FILE',
                        help='trained weights of one network (.safetensors), two or more')
    parser.add_argument('--output', type=Path, required=True,
                        help='weights file to create (.safetensors)')


def run(options: argparse.Namespace) -> int:
    """Average and say what came out."""
    header = average_weights(options.sources, options.output)
    print(f'{options.output}: {header.model_name}, the mean of {len(options.sources)} files')
    return 0
