# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn parameters`: print the table of docs/parameters.md, generated from the options."""

from __future__ import annotations

import argparse
from pathlib import PurePosixPath

from ldn_perception.config import Option, options

EXAMPLE = 'ldn parameters'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options."""


def run(_: argparse.Namespace) -> int:
    """Print the table."""
    print(parameter_table())
    return 0


def parameter_table() -> str:
    """Markdown table with a row for every option."""
    rows = ['| parameter | default | values | live | meaning |', '|---|---|---|---|---|']
    rows += [
        f'| `{option.name}` | {_code(option.default)} | {_values(option)} '
        f'| {"yes" if option.live else ""} | {option.doc} |'
        for option in options()
    ]
    return '\n'.join(rows)


def _code(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'`{text}`' if text else ''


def _values(option: Option) -> str:
    if option.see:
        page = PurePosixPath(option.see)
        return f'{len(option.choices)} names, see [{page.stem}]({page.name})'
    if option.choices:
        return ', '.join(_code(choice) for choice in option.choices)
    if option.minimum is None:
        return option.type.__name__
    unit = f' {option.unit}' if option.unit else ''
    return f'{option.minimum:g} – {option.maximum:g}{unit}'
