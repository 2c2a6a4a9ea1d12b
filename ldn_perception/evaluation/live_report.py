# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A live evaluation for programs, and whether there was one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ldn_perception.errors import EvaluationError
from ldn_perception.evaluation.live_scores import PassScores
from ldn_perception.evaluation.live_session import LiveSession
from ldn_perception.evaluation.pair_scorer import class_iou, plain
from ldn_perception.taxonomy import Taxonomy


def to_json(session: LiveSession, truth: Taxonomy) -> dict[str, Any]:
    """Everything that was measured; shares in [0, 1], None where there is nothing to measure.

    Args:
        session: The evaluation.
        truth: Classes of its ground-truth labels.
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
    """Make sure that at least one pair was scored.

    Raises:
        EvaluationError: None was, with the most likely reason.
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
