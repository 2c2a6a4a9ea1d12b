# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plot of training curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
import numpy as np
from numpy.typing import NDArray

from ldn_perception.training.training_files import StepRecord, ValidationRecord

_MOST_POINTS = 400


def draw_curves(
    steps: Sequence[StepRecord], validations: Sequence[ValidationRecord], path: Path
) -> None:
    """Plot losses, learning rate and any validation scores against the step.

    Args:
        steps: Records of the steps, at least one.
        validations: Records of the validations, of any number of datasets.
        path: PNG file to write.
    """
    heights = (3, 1, 2) if validations else (3, 1)
    figure = Figure(figsize=(9, 2 * sum(heights) ** 0.8), layout='constrained')
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_losses(axes[0], steps)
    axes[1].plot([step.step for step in steps], [step.learning_rate for step in steps])
    axes[1].set_ylabel('learning rate')
    if validations:
        _draw_scores(axes[2], validations)
    for axis in axes:
        axis.grid(which='both', alpha=0.3)
    axes[-1].set_xlabel('step')
    figure.savefig(path, dpi=110)


def _draw_losses(axis: Any, steps: Sequence[StepRecord]) -> None:
    number = [step.step for step in steps]
    for name in ('main_loss', 'auxiliary_loss'):
        values = [getattr(step, name) for step in steps]
        if any(values):
            axis.plot(*_smoothed(number, values), label=name.replace('_', ' '))
    axis.set_ylabel('cross-entropy')
    axis.set_yscale('log')
    axis.legend()


def _draw_scores(axis: Any, validations: Sequence[ValidationRecord]) -> None:
    for dataset in dict.fromkeys(record.dataset for record in validations):
        own = [record for record in validations if record.dataset == dataset]
        axis.plot([record.step for record in own], [100 * record.mean_iou for record in own],
                  marker='.', label=dataset)
    axis.set_ylabel('mIoU [%]')
    axis.legend()


def _smoothed(
    number: Sequence[int], values: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means over equal intervals, to smooth long curves."""
    parts = min(_MOST_POINTS, len(values))
    return (
        np.array([part.mean() for part in np.array_split(np.asarray(number, float), parts)]),
        np.array([part.mean() for part in np.array_split(np.asarray(values, float), parts)]),
    )
