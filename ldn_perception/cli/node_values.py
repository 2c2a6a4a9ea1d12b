# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the node that a command line gives."""

from __future__ import annotations

import argparse
from typing import Any

from ldn_perception.build import options_of_weights
from ldn_perception.cli import options
from ldn_perception.parameter_file import parse_assignments, read_parameter_file


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options that give parameters of the node."""
    options.add_weights(parser)
    options.add_config(parser)
    options.add_set(parser)


def read_node_values(given: argparse.Namespace) -> dict[str, Any]:
    """Values of parameters by name.

    Args:
        given: Options of the verb. Each wins over those before it: --config, --weights,
            --device, --engine and --precision, --set.

    Raises:
        ConfigError: A file or an assignment is none.
        ModelError: There are no such weights.
    """
    return {
        **(read_parameter_file(given.config) if given.config is not None else {}),
        **(options_of_weights(given.weights) if given.weights is not None else {}),
        **options.inference_values(given),
        **parse_assignments(given.overrides)}
