# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of an evaluation as what JSON can hold."""

from __future__ import annotations

import math
from typing import Any

from ldn_perception.cli.evaluation_run import Evaluation
from ldn_perception.evaluation.category_iou import category_iou
from ldn_perception.evaluation.ood_report import OodReport
from ldn_perception.evaluation.segmentation_scores import SegmentationScores


def to_json(evaluation: Evaluation, reports: dict[str, OodReport]) -> dict[str, Any]:
    """Everything that was measured; parts in [0, 1], None where there is nothing to measure.

    Args:
        evaluation: After its last image.
        reports: Of its foreign scores.
    """
    return {
        'segmentation': None if evaluation.segmentation is None else segmentation_to_json(
            evaluation.segmentation),
        'called_foreign': {
            'by_argmax': _plain(evaluation.argmax_share.shares()),
            'by_threshold': _plain(evaluation.threshold_share.shares()),
        },
        'ood': {name: ood_to_json(report) for name, report in reports.items()},
    }


def segmentation_to_json(scores: SegmentationScores) -> dict[str, Any]:
    """Scores of labels."""
    confusion, taxonomy = scores.confusion, scores.taxonomy
    names = taxonomy.class_names[:taxonomy.num_driving]
    categories = category_iou(confusion, taxonomy)
    found = {
        'mean_iou': confusion.mean_iou,
        'pixel_accuracy': confusion.pixel_accuracy,
        'mean_category_iou': mean_of_present(categories.values()),
        'expected_calibration_error': scores.calibration.value,
        'labelled_pixels': int(confusion.counts.sum()),
        'negative_images': scores.negative_images,
        'iou': dict(zip(names, confusion.iou().tolist(), strict=True)),
        'category_iou': categories,
        'confusion': confusion.counts.tolist(),
    }
    if scores.has_instances:
        instance = dict(zip(names, scores.instance_iou.iou(confusion).tolist(), strict=True))
        instance_categories = scores.instance_iou.category_iou(confusion)
        found.update({
            'mean_instance_iou': mean_of_present(instance.values()),
            'instance_iou': instance,
            'mean_category_instance_iou': mean_of_present(instance_categories.values()),
            'category_instance_iou': instance_categories,
        })
    return dict(_plain(found))


def ood_to_json(report: OodReport) -> dict[str, Any]:
    """Scores of one foreign score."""
    pixels, components = report.pixels, report.components
    return dict(_plain({
        'average_precision': pixels.average_precision,
        'auroc': pixels.auroc,
        'fpr95': pixels.fpr95,
        'threshold95': pixels.threshold95,
        'best_f1': pixels.best_f1,
        'best_f1_threshold': pixels.best_f1_threshold,
        'foreign_pixels': pixels.foreign_pixels,
        'known_pixels': pixels.known_pixels,
        'components': {
            'mean_f1': components.mean_f1,
            'siou': components.siou,
            'ppv': components.ppv,
            'true_components': components.true_components,
            'predicted_components': components.predicted_components,
        },
    }))


def mean_of_present(values: Any) -> float:
    """Mean of the numbers that are not NaN; NaN if there is none."""
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def _plain(value: Any) -> Any:
    """The same with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
