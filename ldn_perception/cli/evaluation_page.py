# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One page that shows the pictures of an evaluation beside its scores."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from rich.console import Console

from ldn_perception.cli.evaluation_tables import tables

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
    parts = [
        '<!doctype html>', '<meta charset="utf-8">', f'<title>{escape(title)}</title>',
        '<style>body{font-family:sans-serif;margin:2em}img{max-width:100%}</style>',
        f'<h1>{escape(title)}</h1>', f'<p>{escape(settings)}</p>',
        f'<pre>{escape(_text(scores))}</pre>',
    ]
    for pattern, heading in _HEADINGS:
        found = sorted((folder / 'pictures').glob(pattern))
        if found:
            parts.append(f'<h2>{heading}</h2>')
        parts += [
            f'<p><img src="pictures/{path.name}" alt="{path.stem}"></p>' for path in found]
    (folder / 'index.html').write_text('\n'.join(parts) + '\n', encoding='utf-8')


def _text(scores: dict[str, Any]) -> str:
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as captured:
        for table in tables(scores):
            console.print(table)
    return captured.get()
