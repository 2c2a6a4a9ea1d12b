# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights and node parameters given on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ldn_perception.build import find_weights_file, options_of_weights
from ldn_perception.cli import options
from ldn_perception.cli.options import check_output_file
from ldn_perception.config import parse_assignments, read_parameter_file
from ldn_perception.errors import OutputError
from ldn_perception.models.weights import read_weights_header
from ldn_perception.weights import find_what_weights_are_for


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that set parameters of the node."""
    options.add_weights(parser)
    options.add_config(parser)
    options.add_set(parser)


def read_node_values(given: argparse.Namespace) -> dict[str, Any]:
    """Values of parameters by name.

    Args:
        given: Options of the verb. Later ones override earlier ones: --config, --weights,
            --device, --engine and --precision, --set.

    Raises:
        ConfigError: A parameter file or an assignment is invalid.
        ModelError: No such weights exist.
    """
    return {
        **(read_parameter_file(given.config) if given.config is not None else {}),
        **(options_of_weights(given.weights) if given.weights is not None else {}),
        **options.inference_values(given),
        **parse_assignments(given.overrides)}


def add_changed_weights(parser: argparse.ArgumentParser) -> None:
    """Declare the argument for the weights to change."""
    parser.add_argument(
        'source', metavar='NAME|FILE', help='shipped weights by name, or a weights file')


def find_changed_weights(given: argparse.Namespace) -> tuple[Path, Path]:
    """Find the file to read and the file to write.

    Args:
        given: Options of the verb: source, output and overwrite.

    Raises:
        ModelError: No such weights exist.
        OutputError: The file to write exists, cannot be created, or belongs to shipped weights.
    """
    source = find_weights_file(given.source)
    if given.output is None:
        if find_what_weights_are_for(given.source) is not None:
            raise OutputError(
                '--output', must_be='given for shipped weights, which are not changed',
                got='none', do='name another file')
        read_weights_header(source)  # raises ModelError with the name of a missing file
        check_output_file(source, overwrite=True)
        return source, source
    is_same = given.output.resolve() == source.resolve()
    check_output_file(given.output, overwrite=given.overwrite or is_same)
    return source, given.output
