# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Replayed configurations side by side, in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

Scores = Mapping[str, Any]


def _percent(value: float) -> str:
    return f'{100 * value:.1f} %'



_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ('pairs in the bags', 'pairs.pairs', str),
    ('pairs replayed', 'pairs.processed', str),
    ('left images without a partner', 'pairs.unpaired_images', str),
    ('mIoU', 'segmentation.mean_iou', _percent),
    ('pixel accuracy', 'segmentation.pixel_accuracy', _percent),
    ('category mIoU', 'segmentation.mean_category_iou', _percent),
    ('OOD average precision', 'ood.average_precision', _percent),
    ('OOD false positives at 95 % recall', 'ood.fpr95', _percent),
    ('disparity D1, all ground truth', 'disparity.d1_all', _percent),
    ('pixels with a disparity', 'mean_disparity_density', _percent),
    ('mean foreign probability', 'mean_foreign_probability', _percent),
    ('mean foreign probability, most foreign pair', 'max_mean_foreign_probability', _percent),
    ('OOD share, mean', 'mean_ood_share', _percent),
)


def score_table(configurations: Mapping[str, Scores]) -> Table:
    """Scores as rows, configurations as columns.

    Args:
        configurations: Name -> scores.json.
    """
    table = Table(title='replay', title_justify='left')
    table.add_column('')
    for name in configurations:
        table.add_column(name, justify='right', overflow='fold')
    for text, path, form in _ROWS:
        found = [_at(scores, path) for scores in configurations.values()]
        table.add_row(text, *('–' if value is None else form(value) for value in found))
    reasons = sorted({reason for scores in configurations.values()
                      for reason in scores['pairs']['dropped']})
    for reason in reasons:
        table.add_row(f'pairs dropped: {reason}', *(
            str(scores['pairs']['dropped'].get(reason, 0)) for scores in configurations.values()))
    _add_stages(table, configurations)
    return table


def _add_stages(table: Table, configurations: Mapping[str, Scores]) -> None:
    stages = dict.fromkeys(
        stage for scores in configurations.values() for stage in scores['latency'])
    for stage in stages:
        cells = []
        for scores in configurations.values():
            times = scores['latency'].get(stage)
            cells.append('–' if times is None else ' / '.join(
                f'{times[key]:.1f}' for key in ('p50_ms', 'p95_ms', 'p99_ms')))
        table.add_row(f'{stage}, p50 / p95 / p99, ms', *cells)


def _at(scores: Scores, path: str) -> Any:
    value: Any = scores
    for key in path.split('.'):
        value = None if value is None else value.get(key)
    return value
