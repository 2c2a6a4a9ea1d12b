# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of results against ground truth and against the clock."""

from ldn_perception.evaluation.confusion import ConfusionMatrix
from ldn_perception.evaluation.latency import DurationSummary, LatencySummary
from ldn_perception.evaluation.ood import OodMetrics, OodScores
from ldn_perception.evaluation.stereo import StereoScores

__all__ = [
    'ConfusionMatrix', 'DurationSummary', 'LatencySummary', 'OodMetrics', 'OodScores',
    'StereoScores',
]
