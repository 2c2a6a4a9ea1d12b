# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of an evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

_SHARES = (
    ('mean_iou', 'mIoU'),
    ('mean_category_iou', 'category mIoU'),
    ('mean_instance_iou', 'mean iIoU'),
    ('mean_category_instance_iou', 'mean category iIoU'),
    ('pixel_accuracy', 'pixel accuracy'),
    ('expected_calibration_error', 'expected calibration error'),
)
_PARTS = {'known': 'in-distribution', 'foreign': 'foreign', 'all': 'all'}


def tables(scores: dict[str, Any]) -> Iterator[Table]:
    """Tables of what `scores.json` holds.

    Args:
        scores: As `evaluation_json.to_json` gives it, with 'threshold' beside.
    """
    if scores['segmentation'] is not None:
        yield _classes(scores['segmentation'])
    yield _summary(scores)
    if scores['ood']:
        yield _ood(scores['ood'])


def _classes(segmentation: dict[str, Any]) -> Table:
    table = Table(title='classes, %', title_justify='left')
    instance = segmentation.get('instance_iou')
    for heading in ('class', 'IoU', *(['iIoU'] if instance else []), 'pixels'):
        table.add_column(heading, justify='left' if heading == 'class' else 'right')
    total = max(1, segmentation['labelled_pixels'])
    for (name, iou), row in zip(
        segmentation['iou'].items(), segmentation['confusion'], strict=True,
    ):
        cells = [name, percent(iou), *([percent(instance[name])] if instance else [])]
        table.add_row(*cells, f'{100 * sum(row) / total:.2f}')
    return table


def _summary(scores: dict[str, Any]) -> Table:
    table = Table(title='set, %', title_justify='left', show_header=False)
    table.add_column(justify='left')
    table.add_column(justify='right')
    for key, text in _SHARES:
        if scores['segmentation'] is not None and key in scores['segmentation']:
            table.add_row(text, percent(scores['segmentation'][key]))
    called = scores['called_foreign']
    for part, text in _PARTS.items():
        if called['by_argmax'][part] is not None:
            table.add_row(
                f'{text} pixels with a foreign label', percent(called['by_argmax'][part], 2))
            table.add_row(
                f'{text} pixels with foreign probability > {scores["threshold"]:.4g}',
                percent(called['by_threshold'][part], 2))
    return table


def _ood(ood: dict[str, Any]) -> Table:
    table = Table(title='foreign scores on the same logits, %', title_justify='left')
    table.add_column('score', no_wrap=True)
    for heading in ('AP', 'AUROC', 'FPR95', 'best F1', 'component F1', 'sIoU', 'PPV'):
        table.add_column(heading, justify='right')
    for name, values in ood.items():
        components = values['components']
        table.add_row(name, *(percent(value) for value in (
            values['average_precision'], values['auroc'], values['fpr95'], values['best_f1'],
            components['mean_f1'], components['siou'], components['ppv'])))
    return table


def percent(share: float | None, digits: int = 1) -> str:
    """A part in percent, a dash where there is none."""
    return '–' if share is None else f'{100 * share:.{digits}f}'
