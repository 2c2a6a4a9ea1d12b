# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Markdown tables from the JSON reports of benchmarks, for the documentation.

Medians and minimum times, and the ratios of both, share a column.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

PAIRS = {'median ms': ('min ms', 'median / min ms'), 'x by median': ('x by min', '×')}
"""Column -> the column joined to it, and the name of the joint column."""


def main() -> None:
    """Print the figures of some files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('reports', nargs='+', type=Path, help='build/benchmarks/….json')
    options = parser.parse_args()
    for path in options.reports:
        print('\n'.join(as_markdown(json.loads(path.read_text()))))


def as_markdown(figures: dict[str, object]) -> list[str]:
    """Markdown lines: single figures, then tables."""
    single = [
        f'- {name}: {as_text(value)}' for name, value in figures.items()
        if not isinstance(value, dict)]
    tables = [
        line for name, value in figures.items() if isinstance(value, dict) and value
        for line in ('', *table(name, {title: joined(row) for title, row in value.items()}))]
    return [*single, *tables, '']


def joined(row: dict[str, object]) -> dict[str, str]:
    """Cells of a row, with paired columns joined."""
    cells = {}
    second = {PAIRS[name][0] for name in row if name in PAIRS}
    for name, value in row.items():
        if name in PAIRS:
            other, together = PAIRS[name]
            cells[together] = f'{as_text(value)} / {as_text(row[other])}'
        elif name not in second:
            cells[name] = as_text(value)
    return cells


def table(title: str, rows: dict[str, dict[str, str]]) -> list[str]:
    """Markdown lines of a table; rows may have different columns."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    return [
        f'| {" | ".join([title, *columns])} |',
        '|' + '---|' * (1 + len(columns)),
        *(f'| {" | ".join([name, *(row.get(column, "") for column in columns)])} |'
          for name, row in rows.items()),
    ]


def as_text(value: object) -> str:
    """Format a number with three significant digits, or all digits before the point."""
    if not isinstance(value, float):
        return str(value)
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:#.3g}'.rstrip('.')


if __name__ == '__main__':
    main()
