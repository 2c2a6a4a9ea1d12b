# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores and pictures of a recorded demo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldn_perception.cli.recorded_results import RecordedResult, read_last_diagnostics, read_results
from ldn_perception.data.stamp_joining import StampReader
from ldn_perception.data.stereo_sample import StereoSample
from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.latency import LatencySummary
from ldn_perception.metrics.pair_scorer import PairScorer, ScoringTask
from ldn_perception.pictures import Picture, captioned, color_disparity, color_labels
from ldn_perception.taxonomy import Taxonomy

_SCORED = ('labels', 'foreign_probability', 'disparity')


@dataclass(frozen=True, slots=True)
class DemoScore:
    """Scores and counts of a demo run.

    Attributes:
        sent: Pairs played.
        received: Complete pairs received by the node.
        processed: Pairs with published results.
        dropped: Pairs dropped by the node, by reason.
        recorded: Pairs with labels in the recording.
        latency: Time from stamp to publishing; None without results.
        stage_ms: Median time of each stage of the node [ms].
        mean_iou: Mean IoU over the classes in the ground truth; None without ground truth.
        ood_average_precision: Average precision of the foreign probability; None without foreign
            objects.
        disparity_density: Mean share of pixels with a disparity; None without disparity.
        d1: Share of wrong disparities over all ground truth; None without ground truth.
        state: Last status message of the node.
    """

    sent: int
    received: int
    processed: int
    dropped: dict[str, int]
    recorded: int
    latency: LatencySummary | None
    stage_ms: dict[str, float]
    mean_iou: float | None
    ood_average_precision: float | None
    disparity_density: float | None
    d1: float | None
    state: str

    @property
    def lost(self) -> int:
        """Number of pairs that did not reach the node completely."""
        return self.sent - self.received

    @property
    def unfinished(self) -> int:
        """Number of pairs neither processed nor dropped at the last status message."""
        return self.received - self.processed - sum(self.dropped.values())


def join(
    results: Iterable[RecordedResult], samples: Iterable[StereoSample],
    played: Mapping[int, int],
) -> Iterator[tuple[RecordedResult, StereoSample]]:
    """Join results with the samples they were computed from, both in the order of time.

    Args:
        results: Recorded results.
        samples: The drive.
        played: Stamp in the drive -> stamp when it was played [ns].

    Yields:
        Results, with disparities in the geometry of their frames, and samples.

    Raises:
        EvaluationError: A result belongs to no pair that was played.
    """
    remaining = StampReader((sample.frame.stamp_ns, sample) for sample in samples)
    recorded_ns = {new: old for old, new in played.items()}
    for result in results:
        sample = remaining.take(recorded_ns.get(result.stamp_ns))
        if sample is None:
            raise EvaluationError(
                'stamps of the results', must_be='those of pairs that were played, in their order',
                got=f'{result.stamp_ns} ns', do='record with nothing else playing')
        yield result.seen_by(sample.frame.geometry), sample


def score_recording(
    recording: Path, samples: Iterable[StereoSample], played: Mapping[int, int],
    taxonomy: Taxonomy,
) -> DemoScore:
    """Score a recording of the node's results.

    Args:
        recording: Bag of the recorder.
        samples: The drive that was played.
        played: Stamp in the drive -> stamp when it was played [ns].
        taxonomy: Class list of the labels.
    """
    state, values = read_last_diagnostics(recording)
    scorer = PairScorer(ScoringTask(taxonomy, taxonomy))
    stamps, published = [], []
    for result, sample in join(read_results(recording), samples, played):
        stamps.append(result.stamp_ns)
        published.append(result.published_ns)
        scorer.add({name: result.images[name] for name in _SCORED if name in result.images},
                   sample.truth())
    totals = scorer.totals
    ood = totals.ood.metrics()
    return DemoScore(
        sent=len(played),
        received=_count(values, 'pairs_received'),
        processed=_count(values, 'pairs_processed'),
        dropped={
            key.removeprefix('dropped.'): int(value) for key, value in values.items()
            if key.startswith('dropped.')
        },
        recorded=len(stamps),
        latency=LatencySummary.from_times(stamps, published) if stamps else None,
        stage_ms={
            key.removeprefix('stage.').removesuffix('_ms'): float(value)
            for key, value in values.items() if key.startswith('stage.')
        },
        mean_iou=totals.confusion.mean_iou if totals.confusion.class_pixels.any() else None,
        ood_average_precision=ood.average_precision if ood.foreign_pixels else None,
        disparity_density=float(values['disparity.density'])
        if 'disparity.density' in values else None,
        d1=totals.stereo.d1_all if totals.stereo.valid_pixels else None,
        state=state,
    )


def _count(values: Mapping[str, str], key: str) -> int:
    return int(values.get(key, 0))


def to_json(score: DemoScore) -> dict[str, Any]:
    """JSON-compatible form of a score, with units in the keys."""
    latency = score.latency
    return {
        'pairs': {
            'sent': score.sent, 'received': score.received, 'processed': score.processed,
            'lost_before_the_node': score.lost, 'unfinished': score.unfinished,
            'recorded': score.recorded, 'dropped': score.dropped,
        },
        'latency_ms': None if latency is None else {
            'p50': latency.latency.p50_ms, 'p95': latency.latency.p95_ms,
            'p99': latency.latency.p99_ms, 'max': latency.latency.max_ms,
        },
        'rate_hz': None if latency is None else latency.rate_hz,
        'stage_ms': score.stage_ms,
        'mean_iou': score.mean_iou,
        'ood_average_precision': score.ood_average_precision,
        'disparity_density': score.disparity_density,
        'd1': score.d1,
        'state': score.state,
    }


def draw(
    result: RecordedResult, sample: StereoSample, taxonomy: Taxonomy, max_disparity: float,
) -> Picture:
    """Draw left image, disparity, labels and overlay of a pair, two by two.

    Args:
        result: Published results; a missing part stays black.
        sample: The pair.
        taxonomy: Class list with colours.
        max_disparity: Disparity of the warmest colour [px].

    Returns:
        (2 (H + 22), 2 W, 3) uint8 RGB.
    """
    black = np.zeros_like(sample.frame.left)
    images = result.images
    disparity = images.get('disparity')
    labels = images.get('labels')
    tiles = [
        ('left image', sample.frame.left),
        ('disparity', black if disparity is None else color_disparity(disparity, max_disparity)),
        ('labels', black if labels is None else color_labels(labels, taxonomy)),
        ('overlay, out of distribution is cyan', images.get('overlay', black)),
    ]
    drawn = [captioned(image, text) for text, image in tiles]
    return np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])
