# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights list`: list the weights shipped with the package, by name for --weights."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from ldn_perception.config import ModelConfig
from ldn_perception.weights import SHIPPED, find_shipped_weights

EXAMPLE = 'ldn weights list'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_: argparse.Namespace) -> int:
    """Print the table."""
    Console().print(weights_table())
    return 0


def weights_table() -> Table:
    """Table of name, network, classes and size of all shipped weights."""
    default = ModelConfig()
    table = Table('name', 'network', 'classes or purpose', 'MB', 'default')
    for model, purpose in SHIPPED:
        path = find_shipped_weights(model, purpose)
        assert path is not None
        table.add_row(
            path.stem, model, purpose, f'{path.stat().st_size / 1e6:.1f}',
            'yes' if (model, purpose) == (default.name, default.taxonomy) else '')
    return table
