# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Curves and tables as pictures, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from numpy.typing import NDArray

from ldn_perception.evaluation.calibration_error import NUM_BINS, ReliabilityBins
from ldn_perception.evaluation.ood import OodCurve

_DPI = 110
_READABLE_SHARE = 0.005


def draw_confusion(
    path: Path, counts: NDArray[np.int64], row_names: Sequence[str], title: str,
) -> None:
    """Draw a confusion matrix, every row as parts of its true class, in percent.

    Args:
        path: PNG to write.
        counts: (C, C + 1) as `ConfusionMatrix.counts`.
        row_names: Names of the C classes.
        title: Above the matrix.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    rows, columns = counts.shape
    figure = Figure(figsize=(2.4 + 0.52 * columns, 2.0 + 0.42 * rows), dpi=_DPI)
    axes = figure.add_subplot()
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    axes.set_xticks(range(columns), [*row_names, 'no class'], rotation=45, ha='right')
    axes.set_yticks(range(rows), row_names)
    axes.set_xlabel('predicted')
    axes.set_ylabel('true')
    axes.set_title(f'{title}: percent of the true class')
    for row, column in zip(*np.nonzero(np.nan_to_num(shares) >= _READABLE_SHARE), strict=True):
        share = shares[row, column]
        axes.text(
            column, row, f'{100 * share:.0f}' if share >= 0.1 else f'{100 * share:.1f}',
            ha='center', va='center', fontsize=8, color='white' if share > 0.5 else 'black')
    _write(figure, path)


def draw_ood_curves(
    path: Path, curves: Mapping[str, OodCurve], captions: Mapping[str, str], title: str,
) -> None:
    """Draw precision over recall, and true over false positive rate, one line a score.

    Args:
        path: PNG to write.
        curves: Name of a score -> its curve.
        captions: Name of a score -> its line in the legend.
        title: Above both.
    """
    figure = Figure(figsize=(12.5, 5.2), dpi=_DPI)
    precision, rates = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(curves.items()):
        style = {'color': f'C{number}', 'linewidth': 2.4 if number == 0 else 1.2}
        # step sums: precision holds from the recall before up to this one
        precision.plot(
            np.r_[0, curve.recall], np.r_[curve.precision[:1], curve.precision],
            drawstyle='steps-pre', label=captions[name], **style)
        rates.plot(
            np.r_[0, curve.false_positive_rate, 1], np.r_[0, curve.recall, 1],
            label=captions[name], **style)
    rates.axhline(0.95, color='grey', linewidth=0.8, linestyle=':')
    _label(precision, 'recall (true positive rate)', 'precision')
    _label(rates, 'false positive rate', 'true positive rate; dotted: 95 %')
    precision.legend(fontsize=8, loc='upper right')
    figure.suptitle(title)
    _write(figure, path)


def draw_reliability(path: Path, bins: ReliabilityBins, error: float, title: str) -> None:
    """Draw accuracy over confidence, and how many pixels have which confidence.

    Args:
        path: PNG to write.
        bins: Of all pixels.
        error: Expected calibration error.
        title: Above the diagram.
    """
    figure = Figure(figsize=(6, 5.6), dpi=_DPI)
    axes = figure.add_subplot()
    centres = (np.arange(NUM_BINS) + 0.5) / NUM_BINS
    axes.bar(centres, bins.pixels / max(1, bins.pixels.sum()), 0.9 / NUM_BINS,
             color='lightgrey', label='part of the pixels')
    axes.plot((0, 1), (0, 1), color='grey', linewidth=0.8, linestyle=':')
    filled = bins.pixels > 0
    axes.plot(bins.confidence[filled], bins.accuracy[filled], marker='o', label='accuracy')
    _label(axes, 'confidence', 'accuracy')
    axes.legend(loc='upper left')
    axes.set_title(f'{title}: expected calibration error {100 * error:.1f} %')
    _write(figure, path)


def _label(axes: Axes, horizontal: str, vertical: str) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.grid(alpha=0.3)


def _write(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, bbox_inches='tight')
