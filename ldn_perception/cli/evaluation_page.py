# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One page that shows the pictures of an evaluation beside its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from ldn_perception.cli.evaluation_tables import tables
from ldn_perception.pages import write_gallery

_HEADINGS = (
    ('confusion.png', 'Confusion matrix'), ('reliability.png', 'Reliability'),
    ('ood_curves.png', 'Foreign scores'), ('best_*.png', 'Best images'),
    ('worst_*.png', 'Worst images'),
)
_WIDTH = 100


def write_page(folder: Path, scores: dict[str, Any]) -> None:
    """Write index.html; it needs the folder of pictures beside it and nothing else.

    Args:
        folder: Has the pictures in a folder pictures.
        scores: As in scores.json.
    """
    title = f'{scores["model"]} on {scores["dataset"]} {scores["split"]}'
    settings = ', '.join(
        f'{key} {value}' for key, value in scores.items() if not isinstance(value, dict))
    pictures = folder / 'pictures'
    found = [(heading, [path.name for path in sorted(pictures.glob(pattern))])
             for pattern, heading in _HEADINGS]
    write_gallery(
        folder / 'index.html', title, _text(scores),
        [(heading, names) for heading, names in found if names], lead=settings)


def _text(scores: dict[str, Any]) -> str:
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as captured:
        for table in tables(scores):
            console.print(table)
    return captured.get()
