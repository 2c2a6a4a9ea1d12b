# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A live evaluation for people: one plain table, a column for each rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import math
from pathlib import Path

from ldn_perception.evaluation.live_scores import PassScores
from ldn_perception.evaluation.live_session import LiveSession
from ldn_perception.evaluation.pair_scorer import class_iou
from ldn_perception.taxonomy import Taxonomy

_NAME_WIDTH = 40
_COLUMN_WIDTH = 14
_NOTHING = '-'

_Row = tuple[str, list[str]]


def to_table(session: LiveSession, truth: Taxonomy) -> str:
    """Lines of the table.

    Args:
        session: The evaluation.
        truth: Classes of its ground-truth labels.
    """
    passes = session.passes
    rows = [*_pair_rows(passes), *_time_rows(passes), *_score_rows(passes, truth)]
    return '\n'.join([_title(session), *(
        f'{name:{_NAME_WIDTH}}' + ''.join(f'{text:>{_COLUMN_WIDTH}}' for text in texts)
        for name, texts in rows)])


def _title(session: LiveSession) -> str:
    facts = {} if session.node is None else session.node.facts
    plan = session.plan
    kept = plan is not None and plan.keeps_stamps
    return (
        f'live evaluation of {_NOTHING if plan is None else plan.bag}'
        f'{"" if session.is_complete else ", ended early"}: {facts.get("model", _NOTHING)} '
        f'({Path(facts.get("weights", _NOTHING)).name}) on {facts.get("device", _NOTHING)}, '
        f'stamps of the {"recording" if kept else "playback"}')


def _pair_rows(passes: list[PassScores]) -> Iterator[_Row]:
    yield 'rate', [f'{scores.rate:g}x' for scores in passes]
    yield 'laps', [str(scores.laps) for scores in passes]
    if any(scores.stamp_jumps for scores in passes):
        yield 'stamps jumped back', [str(scores.stamp_jumps) for scores in passes]
    yield 'pairs sent', [str(scores.sent) for scores in passes]
    yield '  lost before the node', [str(scores.lost_before_node) for scores in passes]
    yield from _counts('  dropped by the node: ', [scores.dropped for scores in passes])
    yield '  lost after the node', [str(scores.lost_after_node) for scores in passes]
    yield 'results heard', [str(scores.heard) for scores in passes]
    yield from _counts('pairs: ', [scores.outcomes for scores in passes])
    yield from _counts('messages without a pair: ', [scores.strays for scores in passes])


def _counts(name: str, counts: Sequence[Mapping[str, int]]) -> Iterator[_Row]:
    for reason in sorted(set().union(*counts)):
        yield name + reason, [str(count.get(reason, 0)) for count in counts]


def _time_rows(passes: list[PassScores]) -> Iterator[_Row]:
    yield 'pairs / results a second', [
        f'{scores.sent_rate_hz:.1f} / {scores.heard_rate_hz:.1f}' for scores in passes]
    for name in ('p50', 'p95', 'p99', 'max'):
        yield f'latency {name}, sent to heard [ms]', [
            _number(getattr(scores.latency, f'{name}_ms', None)) for scores in passes]
    yield 'age bound: 2 x processing + 50 [ms]', [_number(scores.bound_ms) for scores in passes]
    yield '  results older than it', [
        _NOTHING if scores.above_bound is None else str(scores.above_bound) for scores in passes]


def _score_rows(passes: list[PassScores], truth: Taxonomy) -> Iterator[_Row]:
    frames = [scores.frames for scores in passes]
    yield 'mIoU [%]', [_percent(scores.confusion.mean_iou) for scores in frames]
    iou = [class_iou(scores.confusion, truth) for scores in frames]
    for name in truth.class_names[:truth.num_driving]:
        if any(not math.isnan(of_class[name]) for of_class in iou):
            yield f'  {name}', [_percent(of_class[name]) for of_class in iou]
    ood = [scores.ood.metrics() for scores in frames]
    yield 'OOD average precision [%]', [_percent(metrics.average_precision) for metrics in ood]
    yield 'OOD FPR95 [%]', [_percent(metrics.fpr95) for metrics in ood]
    yield 'disparity D1, all [%]', [_percent(scores.stereo.d1_all) for scores in frames]
    yield '  pixels with a disparity [%]', [_percent(scores.stereo.density) for scores in frames]


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f'{value:.1f}'


def _percent(share: float) -> str:
    return _NOTHING if math.isnan(share) else f'{share * 100:.1f}'
