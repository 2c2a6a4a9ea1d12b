# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of an evaluation as what JSON can hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ldn_perception.cli.evaluation_run import Evaluation
from ldn_perception.evaluation.ood_report import OodReport
from ldn_perception.evaluation.pair_scorer import mean_of_present, plain
from ldn_perception.evaluation.pair_scorer import segmentation_to_json as labels_to_json
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
            'by_argmax': plain(evaluation.argmax_share.shares()),
            'by_threshold': plain(evaluation.threshold_share.shares()),
        },
        'ood': {name: ood_to_json(report) for name, report in reports.items()},
    }


def segmentation_to_json(scores: SegmentationScores) -> dict[str, Any]:
    """Scores of labels."""
    confusion, taxonomy = scores.confusion, scores.taxonomy
    found = {
        **labels_to_json(confusion, taxonomy),
        'expected_calibration_error': scores.calibration.value,
        'negative_images': scores.negative_images,
    }
    if scores.has_instances:
        names = taxonomy.class_names[:taxonomy.num_driving]
        instance = dict(zip(names, scores.instance_iou.iou(confusion).tolist(), strict=True))
        instance_categories = scores.instance_iou.category_iou(confusion)
        found.update({
            'mean_instance_iou': mean_of_present(instance.values()),
            'instance_iou': instance,
            'mean_category_instance_iou': mean_of_present(instance_categories.values()),
            'category_instance_iou': instance_categories,
        })
    return dict(plain(found))


def ood_to_json(report: OodReport) -> dict[str, Any]:
    """Scores of one foreign score."""
    return dict(plain({**asdict(report.pixels), 'components': asdict(report.components)}))
