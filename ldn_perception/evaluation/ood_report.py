# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every foreign score of one set, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ldn_perception.evaluation.component_scores import (
    ComponentMetrics,
    ComponentScores,
    ComponentTrack,
)
from ldn_perception.evaluation.ood import OodCurve, OodMetrics, OodScores
from ldn_perception.evaluation.score_files import ScoreFiles


@dataclass(frozen=True, slots=True)
class OodReport:
    """One score on one set.

    Attributes:
        pixels: Pixel-level metrics.
        components: Component-level metrics, at the threshold of the best pixel F1.
        curve: Rates over the thresholds.
    """

    pixels: OodMetrics
    components: ComponentMetrics
    curve: OodCurve


def report_scores(
    files: ScoreFiles, names: tuple[str, ...], track: ComponentTrack,
) -> Iterator[tuple[str, OodReport]]:
    """Pool and score one kind of map after the other.

    Args:
        files: Score maps of the set, with at least one foreign and one other pixel.
        names: Scores to report.
        track: Which components count.

    Yields:
        Name and report of each score, in the order of the names.
    """
    for name in names:
        pooled, components = OodScores(), ComponentScores(track)
        for scores, foreign, valid in files.maps(name):
            pooled.accumulate(scores, foreign, valid)
        metrics = pooled.metrics()
        for scores, foreign, valid in files.maps(name):
            components.accumulate(scores >= metrics.best_f1_threshold, foreign, valid)
        yield name, OodReport(metrics, components.metrics(), pooled.curve())
