# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Report of a live evaluation as JSON and as a text table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
import math
from pathlib import Path
from typing import Any

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.live_scores import PassScores
from ldn_perception.evaluation.live_session import LiveSession
from ldn_perception.metrics.pair_scorer import class_iou, plain
from ldn_perception.taxonomy import Taxonomy


def to_json(session: LiveSession, truth: Taxonomy) -> dict[str, Any]:
    """Scores as JSON-compatible values; shares in [0, 1], None for undefined values.

    Args:
        session: The evaluation.
        truth: Class list of the ground-truth labels.
    """
    return {
        'plan': None if session.plan is None else asdict(session.plan),
        'complete': session.is_complete,
        'node': {} if session.node is None else {
            **session.node.facts, 'message': session.node.message},
        'ground_truth_taxonomy': truth.name,
        'passes': [_pass_to_json(scores, truth) for scores in session.passes],
    }


def _pass_to_json(scores: PassScores, truth: Taxonomy) -> dict[str, Any]:
    frames, latency = scores.frames, scores.latency
    ood = frames.ood.metrics()
    found = {
        'rate': scores.rate,
        'laps': scores.laps,
        'pairs': {
            'sent': scores.sent, 'received': scores.node.received,
            'processed': scores.node.processed, 'heard': scores.heard,
            'lost_before_node': scores.lost_before_node,
            'lost_after_node': scores.lost_after_node, 'dropped': scores.dropped,
        },
        'stamp_jumps': scores.stamp_jumps,
        'outcomes': dict(scores.outcomes),
        'strays': dict(scores.strays),
        'problem': scores.problem,
        'latency': None if latency is None else asdict(latency),
        'age_bound_ms': scores.bound_ms,
        'older_than_bound': scores.above_bound,
        'sent_rate_hz': scores.sent_rate_hz,
        'heard_rate_hz': scores.heard_rate_hz,
        'stage_ms': scores.node.stage_ms,
        'mean_iou': frames.confusion.mean_iou,
        'pixel_accuracy': frames.confusion.pixel_accuracy,
        'iou': class_iou(frames.confusion, truth),
        'confusion': frames.confusion.counts.tolist(),
        'ood': {
            'average_precision': ood.average_precision, 'fpr95': ood.fpr95, 'auroc': ood.auroc,
            'foreign_pixels': ood.foreign_pixels, 'known_pixels': ood.known_pixels},
        'd1': frames.stereo.d1_all,
        'd1_matched': frames.stereo.d1_matched,
        'disparity_density': frames.stereo.density,
    }
    return dict(plain(found))


def check_scored(session: LiveSession) -> None:
    """Check that at least one pair was scored.

    Raises:
        EvaluationError: No pair was scored; the message gives the most likely reason.
    """
    if any(scores.outcomes['scored'] for scores in session.passes):
        return
    sent = sum(scores.sent for scores in session.passes)
    heard = sum(scores.heard for scores in session.passes)
    problem = next((scores.problem for scores in session.passes if scores.problem), '')
    if session.plan is not None and not session.plan.ground_truth:
        do = 'play a bag with ground_truth/labels, foreign or disparity, with --ground-truth'
    elif problem:
        do = problem
    elif session.node is not None and not heard:
        do = f'look at the log of the node, which says: {session.node.message}'
    else:
        do = 'check that the bag has ground truth with the stamps of its left images'
    raise EvaluationError(
        'live evaluation', must_be='of at least one pair with a result and ground truth',
        got=f'{sent} pairs sent, {heard} results heard, none scored', do=do)


_NAME_WIDTH = 40
_COLUMN_WIDTH = 14
_NOTHING = '-'

_Row = tuple[str, list[str]]


def to_table(session: LiveSession, truth: Taxonomy) -> str:
    """Format the scores as a text table.

    Args:
        session: The evaluation.
        truth: Class list of the ground-truth labels.
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
