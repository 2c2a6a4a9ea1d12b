# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Weights that a verb writes again with a change, into another file or the same."""

from __future__ import annotations

import argparse
from pathlib import Path

from ldn_perception.build import find_weights_file
from ldn_perception.cli.outputs import check_output_file
from ldn_perception.errors import OutputError
from ldn_perception.models.weights import read_weights_header
from ldn_perception.weights import find_what_weights_are_for


def add_changed_weights(parser: argparse.ArgumentParser) -> None:
    """Declare the weights to change."""
    parser.add_argument(
        'source', metavar='NAME|FILE', help='shipped weights by name, or a weights file')


def find_changed_weights(given: argparse.Namespace) -> tuple[Path, Path]:
    """Files to read and to write.

    Args:
        given: Options of the verb: source, output and overwrite.

    Raises:
        ModelError: There are no such weights.
        OutputError: The file to write exists, cannot be made, or would be that of shipped weights.
    """
    source = find_weights_file(given.source)
    if given.output is None:
        if find_what_weights_are_for(given.source) is not None:
            raise OutputError(
                '--output', must_be='given for shipped weights, which are not changed',
                got='none', do='name another file')
        read_weights_header(source)  # names a file that is missing
        check_output_file(source, overwrite=True)
        return source, source
    is_same = given.output.resolve() == source.resolve()
    check_output_file(given.output, overwrite=given.overwrite or is_same)
    return source, given.output
