# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of arrays against ground truth."""

from ldn_perception.metrics.arrays import (
    confusion,
    disparity_errors,
    mean_iou,
    ood_scores,
    pixel_accuracy,
)

__all__ = ['confusion', 'disparity_errors', 'mean_iou', 'ood_scores', 'pixel_accuracy']
