# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn weights show`: network, classes, threshold, normalisation and origin of a weights file."""

from __future__ import annotations

import argparse
from dataclasses import fields
import json
import math
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from safetensors import safe_open

from ldn_perception.build import DEFAULT_THRESHOLD, find_taxonomy, find_weights_file
from ldn_perception.errors import ConfigError
from ldn_perception.models.weights import WeightsHeader, read_weights_header

EXAMPLE = 'ldn weights show ldn121_road'

_DESCRIBED = (
    'model_name', 'class_names', 'class_colors', 'ood_threshold', 'normalisation', 'summary',
    'format_version')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'source', metavar='NAME|FILE', help='shipped weights by name, or a weights file')


def run(given: argparse.Namespace) -> int:
    """Print the table."""
    Console().print(contents_table(find_weights_file(given.source)))
    return 0


def contents_table(path: Path) -> Table:
    """Table of the contents of a weights file.

    Args:
        path: The file.

    Raises:
        ModelError: The file is missing or damaged.
    """
    header = read_weights_header(path)
    table = Table(title=escape(str(path)), title_justify='left', show_header=False)
    rows = {
        'network': header.model_name,
        'taxonomy': _taxonomy(path, header),
        'classes': f'{len(header.class_names)}: {", ".join(header.class_names)}'
        if header.class_names else 'none',
        'OOD threshold': _threshold(header.ood_threshold),
        'image mean (RGB)': ', '.join(f'{value:.4f}' for value in header.normalisation.mean),
        'image standard deviation': ', '.join(
            f'{value:.4f}' for value in header.normalisation.std),
        **{entry.name.replace('_', ' '): str(getattr(header, entry.name))
           for entry in fields(header) if entry.name not in _DESCRIBED},
        **_tensors(path),
        'file format': f'version {header.format_version}',
        **{name: value if isinstance(value, str) else json.dumps(value)
           for name, value in header.summary.items()},
    }
    for name, value in rows.items():
        table.add_row(escape(name), escape(value))
    return table


def _taxonomy(path: Path, header: WeightsHeader) -> str:
    if not header.class_names:
        return 'none'
    try:
        taxonomy = find_taxonomy(path, header)
    except ConfigError:
        return 'unknown'
    num_foreign = len(taxonomy) - taxonomy.num_driving
    return f'{taxonomy.name}, {taxonomy.num_driving} driving and {num_foreign} foreign classes'


def _threshold(value: float | None) -> str:
    if value is None:
        return f'{DEFAULT_THRESHOLD:g} (not calibrated)'
    return f'{value:g} (calibrated)'


def _tensors(path: Path) -> dict[str, str]:
    with safe_open(path, framework='pt') as file:
        slices = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118 (no mapping)
        kinds = sorted({part.get_dtype() for part in slices})
        numbers = sum(math.prod(part.get_shape()) for part in slices)
    return {
        'tensors': f'{len(slices)} of {numbers / 1e6:.2f} M numbers, {", ".join(kinds)}',
        'size': f'{path.stat().st_size / 1e6:.1f} MB'}
