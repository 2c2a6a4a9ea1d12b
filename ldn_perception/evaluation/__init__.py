# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of results against ground truth and against the clock."""

from ldn_perception.evaluation.calibration_error import CalibrationError
from ldn_perception.evaluation.category_iou import category_iou
from ldn_perception.evaluation.component_scores import ComponentMetrics, ComponentScores
from ldn_perception.evaluation.confusion import ConfusionMatrix
from ldn_perception.evaluation.foreign_scores import FOREIGN_SCORES
from ldn_perception.evaluation.foreign_threshold import ForeignThreshold
from ldn_perception.evaluation.instance_iou import InstanceIou
from ldn_perception.evaluation.label_space import LabelSpace, SpacePrediction
from ldn_perception.evaluation.latency import DurationSummary, LatencySummary
from ldn_perception.evaluation.negative_images import accept_void
from ldn_perception.evaluation.ood import OodMetrics, OodScores
from ldn_perception.evaluation.stereo import StereoScores

__all__ = [
    'FOREIGN_SCORES', 'CalibrationError', 'ComponentMetrics', 'ComponentScores',
    'ConfusionMatrix', 'DurationSummary', 'ForeignThreshold', 'InstanceIou', 'LabelSpace',
    'LatencySummary', 'OodMetrics', 'OodScores', 'SpacePrediction', 'StereoScores',
    'accept_void', 'category_iou',
]
