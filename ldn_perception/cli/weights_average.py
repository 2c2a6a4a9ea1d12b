# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights average`: mean of trained weights with the same initial weights.

The mean often keeps what each training has learned last. Its batch norms get the mean of their
statistics; to measure new statistics, run `ldn train` with the mean as initial_weights for an
epoch at a learning rate of 1e-8.
"""

from __future__ import annotations

import argparse

from ldn_perception.build import find_weights_file
from ldn_perception.cli import options
from ldn_perception.cli.options import check_output_file
from ldn_perception.models.weights import average_weights

EXAMPLE = 'ldn weights average one.safetensors two.safetensors --output mean.safetensors'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'sources', nargs='+', metavar='NAME|FILE',
        help='trained weights of one network, two files or more')
    options.add_output(parser)
    options.add_overwrite(parser)


def run(given: argparse.Namespace) -> int:
    """Average and print a summary."""
    check_output_file(given.output, overwrite=given.overwrite)
    header = average_weights([find_weights_file(name) for name in given.sources], given.output)
    print(f'{given.output}: {header.model_name}, the mean of {len(given.sources)} files')
    return 0
