# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tables, short texts and notes of the report of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import json
import math
from typing import Any

import numpy as np

from ldn_perception.evaluation.report_folder import ReplayedConfiguration

_PERCENTILES = (50, 95, 99)

Block = dict[str, Any]
"""Part of a page: `kind`, a macro of templates/blocks.html.j2, and its values."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the comparison table.

    Attributes:
        text: Label of the row.
        value: Function that returns the number; NaN if there is none.
        shown: Format of the number.
        best: max or min, whichever is better; None if neither is.
    """

    text: str
    value: Callable[[ReplayedConfiguration], float]
    shown: Callable[[float], str]
    best: Callable[[Sequence[float]], float] | None = None


def percent(share: float) -> str:
    """Format a share as a percentage, with an additional digit below 1 %."""
    return f'{100 * share:.{2 if 0 < share < 0.01 else 1}f} %'


def milliseconds(value_ms: float) -> str:
    """Format a time [ms], with a decimal below 100 ms."""
    return f'{value_ms:.1f} ms' if value_ms < 100 else f'{value_ms:.0f} ms'


def number(value: Any) -> float:
    """Number of a JSON file; NaN for None and other values."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _score(*path: str) -> Callable[[ReplayedConfiguration], float]:
    return lambda configuration: number(configuration.score(*path))


def _mean(series: str) -> Callable[[ReplayedConfiguration], float]:
    return lambda configuration: configuration.frames.mean(series)


def total_ms(configuration: ReplayedConfiguration, percentile: float) -> float:
    """Percentile of the total time of a pair [ms]; NaN without pairs."""
    seconds = configuration.frames.total_s
    known = seconds[np.isfinite(seconds)]
    return 1e3 * float(np.percentile(known, percentile)) if known.size else math.nan


def _total(percentile: float) -> Callable[[ReplayedConfiguration], float]:
    return lambda configuration: total_ms(configuration, percentile)


def _whole(value: float) -> str:
    return f'{value:.0f}'


def _dropped(configuration: ReplayedConfiguration) -> float:
    dropped: float = sum(counts(configuration).get('dropped', {}).values())
    return dropped


_GROUPS: tuple[tuple[str, tuple[_Row, ...]], ...] = (
    ('Pairs', (
        _Row('with a result', lambda configuration: len(configuration.frames), _whole),
        _Row('dropped', _dropped, _whole, min),
    )),
    ('Labels', (
        _Row('mean IoU', _score('segmentation', 'mean_iou'), percent, max),
        _Row('mean category IoU', _score('segmentation', 'mean_category_iou'), percent, max),
        _Row('pixel accuracy', _score('segmentation', 'pixel_accuracy'), percent, max),
    )),
    ('Out of distribution', (
        _Row('average precision', _score('ood', 'average_precision'), percent, max),
        _Row('false positives at 95 % recall', _score('ood', 'fpr95'), percent, min),
        _Row('mean foreign probability', _mean('mean_foreign_probability'), percent),
        _Row('OOD share, mean', _mean('ood_share'), percent),
    )),
    ('Disparity', (
        _Row('D1, all ground truth', _score('disparity', 'd1_all'), percent, min),
        _Row('pixels with a disparity, mean', _mean('disparity_density'), percent),
    )),
    ('Time of a pair', tuple(
        _Row(f'all stages, p{percentile}', _total(percentile), milliseconds, min)
        for percentile in _PERCENTILES
    )),
)


def counts(configuration: ReplayedConfiguration) -> dict[str, Any]:
    """Numbers of pairs: pairs, processed, dropped by reason, unpaired_images."""
    return dict(configuration.replay.get('counts') or {})


def comparison_table(configurations: Sequence[ReplayedConfiguration]) -> Block:
    """Table of all scores with a column for each configuration; empty rows are left out."""
    found: list[tuple[str, list[Block] | None]] = []
    for group, rows in _GROUPS:
        cells = [(row, [row.value(entry) for entry in configurations]) for row in rows]
        cells = [(row, values) for row, values in cells if not all(map(math.isnan, values))]
        if cells:
            found += [(group, None), *((row.text, _cells(row, values)) for row, values in cells)]
    return _table(['', *(entry.name for entry in configurations)], found)


def _cells(row: _Row, values: list[float]) -> list[Block]:
    known = [value for value in values if not math.isnan(value)]
    differ = len({row.shown(value) for value in known}) > 1
    best = row.shown(row.best(known)) if row.best and differ else None
    return [
        _cell('none', 'none') if math.isnan(value)
        else _cell(row.shown(value), 'best' if row.shown(value) == best else '')
        for value in values]


def _cell(text: str, style: str = '') -> Block:
    return {'text': text, 'style': style}


def _table(heads: list[str], rows: list[tuple[str, list[Block] | None]]) -> Block:
    return {'kind': 'table', 'heads': heads, 'rows': rows}


def stage_table(configuration: ReplayedConfiguration) -> Block:
    """Table of percentiles of every stage and its share of the time of the replay."""
    timed = configuration.frames.seconds
    sums = configuration.replay.get('seconds') or {
        stage: float(np.nansum(seconds)) for stage, seconds in timed.items()}
    whole_s = sum(sums.values())
    rows: list[tuple[str, list[Block] | None]] = []
    for stage in dict.fromkeys((*timed, *sums)):
        if stage in timed:
            known = timed[stage][np.isfinite(timed[stage])]
            cells = [
                _cell(milliseconds(1e3 * float(np.percentile(known, percentile))))
                for percentile in _PERCENTILES]
        else:
            cells = [_cell('not per pair', 'none')] * len(_PERCENTILES)
        part = percent(sums[stage] / whole_s) if whole_s and stage in sums else 'none'
        rows.append((stage, [*cells, _cell(part)]))
    return _table(
        ['', *(f'p{percentile}' for percentile in _PERCENTILES), 'part of the time'], rows)


def tiles(configuration: ReplayedConfiguration) -> Block:
    """Tiles with the most important numbers, as far as they are known."""
    found = [
        ('pairs', f'{len(configuration.frames)}'),
        ('mean IoU', _known(number(configuration.score('segmentation', 'mean_iou')), percent)),
        ('OOD average precision',
         _known(number(configuration.score('ood', 'average_precision')), percent)),
        ('disparity D1', _known(number(configuration.score('disparity', 'd1_all')), percent)),
        ('mean foreign probability',
         _known(configuration.frames.mean('mean_foreign_probability'), percent)),
        ('a pair, median', _known(total_ms(configuration, 50), milliseconds)),
    ]
    return {'kind': 'tiles', 'entries': [(text, value) for text, value in found if value]}


def _known(value: float, shown: Callable[[float], str]) -> str:
    return '' if math.isnan(value) else shown(value)


def settings_table(configuration: ReplayedConfiguration) -> Block:
    """Collapsed table of everything in replay.json."""
    replay = {key: value for key, value in configuration.replay.items() if key != 'taxonomy'}
    return {'kind': 'settings', 'rows': _flat(replay)}


def _flat(values: dict[str, Any], prefix: str = '') -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f'{prefix}{name}: ')
        elif isinstance(value, list):
            rows.append((prefix + name, ', '.join(map(str, value))))
        else:
            rows.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return rows


def notes(configuration: ReplayedConfiguration) -> list[str]:
    """Sentences about the limits of a configuration's numbers."""
    return [*_about_the_replay(configuration), *_about_the_truth(configuration)]


def _about_the_replay(configuration: ReplayedConfiguration) -> Iterator[str]:
    replay, pairs = configuration.replay, counts(configuration)
    if not replay.get('complete', False):
        bags, opened = len(replay.get('bags', ())), len(pairs.get('bags', ()))
        of = f' of {pairs["pairs"]} in {opened} of {bags} bags' if pairs.get('pairs') else ''
        yield (f'Incomplete: {len(configuration.frames)} pairs{of} have a result so far. The same '
               'command goes on with it.')
    if not len(configuration.frames):
        yield 'There is no result yet, so there is nothing to show.'
    if not replay.get('weights'):
        yield 'Untrained: the weights are random, labels and scores mean nothing.'
    dropped = pairs.get('dropped') or {}
    if dropped:
        reasons = ', '.join(f'{count} {reason}' for reason, count in sorted(dropped.items()))
        yield f'Pairs without a result: {reasons}. dropped.jsonl says why, pair by pair.'
    unpaired = pairs.get('unpaired_images') or 0
    if unpaired:
        yield f'{unpaired} left images have no complete pair and were not replayed.'


def _about_the_truth(configuration: ReplayedConfiguration) -> Iterator[str]:
    if not len(configuration.frames):
        return
    if not configuration.scores:
        yield 'Scores are written when a replay ends or is stopped; they are missing here.'
        return
    parts = {
        'segmentation': 'labels', 'ood': 'foreign objects', 'disparity': 'disparity'}
    missing = [text for part, text in parts.items() if not configuration.score(part)]
    if len(missing) == len(parts):
        yield ('No ground truth: nothing here says how right the results are. Best and worst '
               'pairs are left out.')
    elif missing:
        yield f'No ground truth of {" and ".join(missing)}: not scored.'
