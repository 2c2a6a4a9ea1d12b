# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plots of reports, drawn without a display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import io
from pathlib import Path
import re
from tempfile import TemporaryDirectory
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
import numpy as np
from numpy.typing import NDArray

from ldn_perception.evaluation.report_folder import FrameTable
from ldn_perception.metrics.ood import OodCurve
from ldn_perception.metrics.segmentation_scores import NUM_BINS, ReliabilityBins

_DPI = 110
_READABLE_SHARE = 0.005


def draw_confusion(
    path: Path, counts: NDArray[np.int64], row_names: Sequence[str], title: str,
) -> None:
    """Draw a confusion matrix with shares of the true class in percent.

    Args:
        path: PNG file to write.
        counts: (C, C + 1) int64, see `ConfusionMatrix.counts`.
        row_names: Names of the C classes.
        title: Title above the matrix.
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
    """Draw precision over recall, and true over false positive rate, with a line for each score.

    Args:
        path: PNG file to write.
        curves: Name of a score -> its curve.
        captions: Name of a score -> its legend entry.
        title: Title above both plots.
    """
    figure = Figure(figsize=(12.5, 5.2), dpi=_DPI)
    precision, rates = figure.subplots(1, 2)
    for number, (name, curve) in enumerate(curves.items()):
        style = {'color': f'C{number}', 'linewidth': 2.4 if number == 0 else 1.2}
        # Step sums: precision holds from the previous recall up to this one.
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
    """Draw accuracy over confidence, and the histogram of the confidence.

    Args:
        path: PNG file to write.
        bins: Reliability bins of all pixels.
        error: Expected calibration error.
        title: Title above the diagram.
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


MAX_POINTS = 400
"""Maximum points of a line; longer ones show mean and range of neighbouring pairs."""

FOREIGN_COLOR, OOD_COLOR = '#0e7490', '#c2410c'
LINE_COLORS = ('#0e7490', '#c2410c', '#6d28d9', '#15803d', '#a16207', '#be185d', '#1d4ed8')
STAGE_COLORS = {
    'read': '#94a3b8', 'disparity': '#0ea5e9', 'network': '#4338ca', 'decode': '#d97706',
    'write': '#64748b',
}
_MUTED = '#475569'
_WIDTH_IN = 9.4
_MAX_BAG_NAMES = 6
_PATH = re.compile(r'(?<= d=")[^"]*(?=")')
_LONG_NUMBER = re.compile(r'-?\d+\.\d{2,}')
_SPACES = re.compile(r'\s+')
_BETWEEN_ELEMENTS = re.compile(r'> <')
_LONGEST_BAG_NAME = 18
_STYLE: dict[Any, Any] = {
    'svg.fonttype': 'none', 'svg.hashsalt': 'ldn', 'font.size': 9.0, 'axes.edgecolor': '#94a3b8',
    'axes.labelcolor': _MUTED, 'xtick.color': _MUTED, 'ytick.color': _MUTED,
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.axisbelow': True,
    'grid.color': '#e2e8f0', 'grid.linewidth': 0.8, 'legend.frameon': False,
    'figure.facecolor': 'none', 'axes.facecolor': 'none', 'savefig.facecolor': 'none',
    'path.simplify': True,
}


def draw_foreign_probability(frames: FrameTable) -> bytes:
    """Draw mean foreign probability and OOD share of every pair as SVG."""
    figure = Figure(figsize=(_WIDTH_IN, 2.7), layout='constrained')
    with rc_context(_STYLE):
        axes = figure.add_subplot()
        _line(axes, frames, 'mean_foreign_probability', FOREIGN_COLOR,
              'mean foreign probability', fills=True)
        _line(axes, frames, 'ood_share', OOD_COLOR, 'OOD share')
        _finish_timeline([axes], frames)
        axes.set_ylim(bottom=0)
        return _svg(figure)


def draw_foreign_comparison(tables: Mapping[str, FrameTable]) -> bytes:
    """Draw the mean foreign probability of several configurations over the same pairs as SVG."""
    figure = Figure(figsize=(_WIDTH_IN, 2.9), layout='constrained')
    with rc_context(_STYLE):
        axes = figure.add_subplot()
        for number, (name, frames) in enumerate(tables.items()):
            _line(axes, frames, 'mean_foreign_probability',
                  LINE_COLORS[number % len(LINE_COLORS)], name)
        _finish_timeline([axes], max(tables.values(), key=len))
        axes.set_ylim(bottom=0)
        axes.set_ylabel('mean foreign probability')
        return _svg(figure)


def draw_accuracy(frames: FrameTable) -> bytes:
    """Draw label accuracy and disparity error of every pair as SVG.

    Args:
        frames: Table in which at least one of pixel_accuracy, miou, ood_ap and d1 has values.
    """
    groups = [
        [('pixel_accuracy', LINE_COLORS[0], 'pixel accuracy'), ('miou', LINE_COLORS[2], 'mIoU'),
         ('ood_ap', LINE_COLORS[4], 'out of distribution, AP')],
        [('d1', LINE_COLORS[1], 'D1, less is better')],
    ]
    shown = [[line for line in group if frames.has(line[0])] for group in groups]
    shown = [group for group in shown if group]
    figure = Figure(figsize=(_WIDTH_IN, 0.5 + 2.2 * len(shown)), layout='constrained')
    with rc_context(_STYLE):
        plots = figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0]
        for axes, group in zip(plots, shown, strict=True):
            for name, color, label in group:
                _line(axes, frames, name, color, label)
            axes.set_ylim(0, None if group[0][0] == 'd1' else 1.02)
        _finish_timeline(list(plots), frames)
        return _svg(figure)


def draw_latency(frames: FrameTable) -> bytes:
    """Draw the stacked stage times of every pair and the histogram of their sum as SVG.

    Args:
        frames: Table with at least one timed stage.
    """
    figure = Figure(figsize=(_WIDTH_IN, 2.9), layout='constrained')
    with rc_context(_STYLE):
        timeline, histogram = figure.subplots(1, 2, width_ratios=(3, 1.15))
        milliseconds = {name: 1e3 * np.nan_to_num(part) for name, part in frames.seconds.items()}
        rows = [_thinned(part)[0] for part in milliseconds.values()]
        positions = _thinned(frames.index.astype(np.float64))[0]
        timeline.stackplot(
            positions, *rows, labels=list(milliseconds), linewidth=0,
            colors=[STAGE_COLORS.get(name, _MUTED) for name in milliseconds])
        total_ms = 1e3 * frames.total_s
        _limit(timeline, total_ms, float(np.sum(rows, axis=0).max()))
        _finish_timeline([timeline], frames)
        timeline.yaxis.set_major_formatter('{x:g} ms')
        histogram.hist(
            np.clip(total_ms, None, np.percentile(total_ms, 99)), bins=min(40, 5 + len(frames)),
            color='#4338ca', alpha=0.85)
        histogram.set_xlabel('all stages, up to p99 [ms]')
        histogram.set_ylabel('pairs')
        histogram.grid(axis='y')
        return _svg(figure)


def draw_class_iou(
    iou: Mapping[str, float], colors: Mapping[str, Sequence[int]],
) -> bytes:
    """Draw the IoU of every class as a bar in its colour, best first, as SVG.

    Args:
        iou: Class -> IoU in [0, 1].
        colors: Class -> RGB, each in [0, 255].
    """
    ranked = sorted(iou.items(), key=lambda entry: entry[1])
    figure = Figure(figsize=(_WIDTH_IN, 0.6 + 0.27 * len(ranked)), layout='constrained')
    with rc_context(_STYLE):
        axes = figure.add_subplot()
        values = [value for _, value in ranked]
        axes.barh(
            range(len(ranked)), values, height=0.72, edgecolor='#64748b', linewidth=0.6,
            color=[np.divide(colors.get(name, (148, 163, 184)), 255) for name, _ in ranked])
        for row, value in enumerate(values):
            axes.text(
                value + 0.008, row, f'{100 * value:.1f}', va='center', fontsize=8.5, color=_MUTED)
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
        axes.set_ylim(-0.6, len(ranked) - 0.4)
        axes.set_xlim(0, 1.06)
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=' %'))
        axes.grid(axis='x')
        axes.tick_params(axis='y', length=0)
        return _svg(figure)


def draw_confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> bytes:
    """Draw a confusion matrix without its empty rows and columns as SVG.

    Args:
        counts: C rows of true classes, C + 1 columns of predicted classes; the last is no class.
        names: Names of the C classes.
    """
    table = np.asarray(counts, np.int64)
    seen = np.flatnonzero(table.sum(axis=1) + table[:, :-1].sum(axis=0)).tolist()
    kept = table[seen][:, [*seen, len(names)]]
    with TemporaryDirectory() as folder, rc_context({'svg.fonttype': 'none'}):
        path = Path(folder) / 'confusion.svg'
        draw_confusion(path, kept, [names[number] for number in seen], 'all pairs')
        return _compact(path.read_text(encoding='utf-8'))


def _line(
    axes: Axes, frames: FrameTable, name: str, color: str, label: str, fills: bool = False,
) -> None:
    positions = _thinned(frames.index.astype(np.float64))[0]
    mean, low, high = _thinned(frames.series[name])
    axes.plot(positions, mean, color=color, linewidth=1.5, label=label, zorder=3)
    if fills:
        axes.fill_between(positions, 0, mean, color=color, alpha=0.12, linewidth=0)
    if len(frames) > MAX_POINTS:
        axes.fill_between(positions, low, high, color=color, alpha=0.22, linewidth=0)
    if len(frames) == 1:
        axes.plot(positions, mean, color=color, marker='o')


def _thinned(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, minimum and maximum of at most MAX_POINTS runs of neighbours, ignoring NaN."""
    if values.size <= MAX_POINTS:
        return values, values, values
    runs = np.array_split(values, MAX_POINTS)
    known = [run[np.isfinite(run)] for run in runs]
    mean, low, high = (
        np.array([measure(run) if run.size else np.nan for run in known])
        for measure in (np.mean, np.min, np.max))
    return mean, low, high


def _limit(axes: Axes, total_ms: NDArray[np.float64], highest_ms: float) -> None:
    """Limit the time axis, so that a slow first pair does not flatten all others."""
    usual_ms = 1.5 * float(np.percentile(total_ms, 95))
    if highest_ms <= usual_ms:
        axes.set_ylim(0, 1.05 * highest_ms)
        return
    axes.set_ylim(0, usual_ms)
    axes.text(
        0.995, 0.97, f'slowest pair {total_ms.max():.0f} ms, beyond the axis', ha='right',
        va='top', fontsize=8, color=_MUTED, transform=axes.transAxes)


def _finish_timeline(plots: Sequence[Axes], frames: FrameTable) -> None:
    for axes in plots:
        axes.grid(axis='y')
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=' %'))
        axes.set_xlim(frames.index[0], max(frames.index[-1], frames.index[0] + 1))
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(
            handles, labels, loc='lower left', bbox_to_anchor=(0, 1.0), ncols=6,
            borderaxespad=0.2, handlelength=1.4, columnspacing=1.4, labelcolor='#1e293b')
    starts = frames.bag_starts()
    for row, _ in starts[1:]:
        for axes in plots:
            axes.axvline(float(frames.index[row]), color='#64748b', linewidth=0.8, linestyle=':')
    plots[-1].set_xlabel('pair')
    if 1 < len(starts) <= _MAX_BAG_NAMES:
        names = [bag if len(bag) <= _LONGEST_BAG_NAME else f'{bag[:_LONGEST_BAG_NAME - 1]}…'
                 for _, bag in starts]
        plots[-1].set_xlabel(f'pair; dotted lines part the bags: {", ".join(names)}')
    elif len(starts) > 1:
        plots[-1].set_xlabel(f'pair; dotted lines part the {len(starts)} bags')


def _svg(figure: Figure) -> bytes:
    stream = io.StringIO()
    figure.savefig(stream, format='svg', metadata={'Date': None})
    return _compact(stream.getvalue())


def _compact(svg: str) -> bytes:
    """Remove invisible digits and white space between elements, about half of the bytes."""
    rounded = _PATH.sub(lambda path: _LONG_NUMBER.sub(_rounded, path[0]), svg)
    return _BETWEEN_ELEMENTS.sub('><', _SPACES.sub(' ', rounded)).encode('utf-8')


def _rounded(number: re.Match[str]) -> str:
    return f'{float(number[0]):.1f}'.removesuffix('.0')
