# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation: tables, JSON, HTML page and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
import heapq
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ldn_perception.cli.evaluation_run import Evaluation, Judgement, Sample
from ldn_perception.evaluation.pages import write_gallery
from ldn_perception.metrics.label_space import PixelTruth
from ldn_perception.metrics.ood_report import OodReport
from ldn_perception.metrics.pair_scorer import mean_of_present, plain
from ldn_perception.metrics.pair_scorer import segmentation_to_json as labels_to_json
from ldn_perception.metrics.segmentation_scores import SegmentationScores
from ldn_perception.pictures import Picture, captioned, color_labels, write_picture
from ldn_perception.taxonomy import Taxonomy

_SHARES = (
    ('mean_iou', 'mIoU'),
    ('mean_category_iou', 'category mIoU'),
    ('mean_instance_iou', 'mean iIoU'),
    ('mean_category_instance_iou', 'mean category iIoU'),
    ('pixel_accuracy', 'pixel accuracy'),
    ('expected_calibration_error', 'expected calibration error'),
)
_PARTS = {'known': 'in-distribution', 'foreign': 'foreign', 'all': 'all'}


def tables(scores: dict[str, Any]) -> Iterator[Table]:
    """Tables of the contents of scores.json.

    Args:
        scores: Result of `to_json` with 'threshold' added.
    """
    if scores['segmentation'] is not None:
        yield _classes(scores['segmentation'])
    yield _summary(scores)
    if scores['ood']:
        yield _ood(scores['ood'])


def _classes(segmentation: dict[str, Any]) -> Table:
    table = Table(title='classes, %', title_justify='left')
    instance = segmentation.get('instance_iou')
    for heading in ('class', 'IoU', *(['iIoU'] if instance else []), 'pixels'):
        table.add_column(heading, justify='left' if heading == 'class' else 'right')
    total = max(1, segmentation['labelled_pixels'])
    for (name, iou), row in zip(
        segmentation['iou'].items(), segmentation['confusion'], strict=True,
    ):
        cells = [name, percent(iou), *([percent(instance[name])] if instance else [])]
        table.add_row(*cells, f'{100 * sum(row) / total:.2f}')
    return table


def _summary(scores: dict[str, Any]) -> Table:
    table = Table(title='set, %', title_justify='left', show_header=False)
    table.add_column(justify='left')
    table.add_column(justify='right')
    for key, text in _SHARES:
        if scores['segmentation'] is not None and key in scores['segmentation']:
            table.add_row(text, percent(scores['segmentation'][key]))
    called = scores['called_foreign']
    for part, text in _PARTS.items():
        if called['by_argmax'][part] is not None:
            table.add_row(
                f'{text} pixels with a foreign label', percent(called['by_argmax'][part], 2))
            table.add_row(
                f'{text} pixels with foreign probability > {scores["threshold"]:.4g}',
                percent(called['by_threshold'][part], 2))
    return table


def _ood(ood: dict[str, Any]) -> Table:
    table = Table(title='foreign scores on the same logits, %', title_justify='left')
    table.add_column('score', no_wrap=True)
    for heading in ('AP', 'AUROC', 'FPR95', 'best F1', 'component F1', 'sIoU', 'PPV'):
        table.add_column(heading, justify='right')
    for name, values in ood.items():
        components = values['components']
        table.add_row(name, *(percent(value) for value in (
            values['average_precision'], values['auroc'], values['fpr95'], values['best_f1'],
            components['mean_f1'], components['siou'], components['ppv'])))
    return table


def percent(share: float | None, digits: int = 1) -> str:
    """Format a share in percent, or a dash for None."""
    return '–' if share is None else f'{100 * share:.{digits}f}'


def to_json(evaluation: Evaluation, reports: dict[str, OodReport]) -> dict[str, Any]:
    """Scores as JSON-compatible values; shares in [0, 1], None for undefined values.

    Args:
        evaluation: Evaluation after its last image.
        reports: Reports of its foreign scores.
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
    """Scores of the labels as JSON-compatible values."""
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
    """Metrics of a foreign score as JSON-compatible values."""
    return dict(plain({**asdict(report.pixels), 'components': asdict(report.components)}))


_HEADINGS = (
    ('confusion.png', 'Confusion matrix'), ('reliability.png', 'Reliability'),
    ('ood_curves.png', 'Foreign scores'), ('best_*.png', 'Best images'),
    ('worst_*.png', 'Worst images'),
)
_WIDTH = 100


def write_page(folder: Path, scores: dict[str, Any]) -> None:
    """Write index.html, which depends only on the folder of pictures beside it.

    Args:
        folder: Output folder, with the pictures in its folder pictures.
        scores: Contents of scores.json.
    """
    title = f'{scores["model"]} on {scores["dataset"]} {scores["split"]}'
    settings = ', '.join(
        f'{key} {value}' for key, value in scores.items() if not isinstance(value, dict))
    pictures = folder / 'pictures'
    found = [(heading, [path.name for path in sorted(pictures.glob(pattern))])
             for pattern, heading in _HEADINGS]
    write_gallery(
        folder / 'index.html', title, _text(scores),
        [(heading, names) for heading, names in found if names], lead=settings)


def _text(scores: dict[str, Any]) -> str:
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as captured:
        for table in tables(scores):
            console.print(table)
    return captured.get()


TILE_WIDTH_PX = 480
_KNOWN, _IGNORED, _FOREIGN = (40, 60, 40), (128, 128, 128), (255, 128, 0)


def draw_judgement(
    sample: Sample, judgement: Judgement, taxonomy: Taxonomy, caption: str,
) -> Picture:
    """Draw image, ground truth, prediction and foreign probability, side by side.

    If the ground truth has no classes, foreign pixels are orange, other pixels dark green and
    pixels without ground truth grey.

    Args:
        sample: The image.
        judgement: Prediction for the image.
        taxonomy: Class list with the colours of the labels.
        caption: ASCII caption above the image.

    Returns:
        (h + 22, 4 * 480, 3) uint8 RGB.
    """
    tiles = (
        (caption, sample.image),
        ('truth', color_truth(sample.truth, taxonomy)),
        ('prediction (black: no class)', color_labels(judgement.labels, taxonomy)),
        ('foreign probability (black 0, yellow 1)',
         color_probability(judgement.foreign_probability)),
    )
    return np.hstack([captioned(_narrowed(image), text) for text, image in tiles])


def color_truth(truth: PixelTruth, taxonomy: Taxonomy) -> Picture:
    """Draw classes in their colours and foreign pixels in orange; see `draw_judgement`.

    Args:
        truth: Ground truth of an image.
        taxonomy: Class list with the colours of its labels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    colors = color_labels(truth.labels, taxonomy)
    if not (truth.labels < taxonomy.num_driving).any():
        colors[:] = _IGNORED
        colors[truth.known] = _KNOWN
    colors[truth.foreign] = _FOREIGN
    return colors


def color_probability(probability: NDArray[np.float32]) -> Picture:
    """Draw probability from black over red to pale yellow.

    Args:
        probability: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = np.clip(probability * 255, 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(colors, cv2.COLOR_BGR2RGB), np.uint8)


def _narrowed(image: Picture) -> Picture:
    height = max(1, round(image.shape[0] * TILE_WIDTH_PX / image.shape[1]))
    return np.asarray(cv2.resize(
        image, (TILE_WIDTH_PX, height), interpolation=cv2.INTER_AREA), np.uint8)


class Extremes:
    """Pictures of the best and the worst images; all others are discarded.

    Args:
        number: Number of the best and of the worst images.
        taxonomy: Class list with the colours of the labels.
        meaning: Description of the merit of an image.
    """

    def __init__(self, number: int, taxonomy: Taxonomy, meaning: str) -> None:
        self._number = number
        self._taxonomy = taxonomy
        self._meaning = meaning
        self._best: list[tuple[float, int, Picture]] = []
        self._worst: list[tuple[float, int, Picture]] = []
        self._seen = 0

    def offer(self, sample: Sample, judgement: Judgement) -> None:
        """Keep an image if it is among the best or the worst so far."""
        self._seen += 1
        merit = judgement.merit
        wanted = [
            (heap, key) for heap, key in ((self._best, merit), (self._worst, -merit))
            if not math.isnan(merit) and self._number > 0
            and (len(heap) < self._number or key > heap[0][0])
        ]
        if not wanted:
            return
        picture = draw_judgement(
            sample, judgement, self._taxonomy,
            f'{100 * merit:.1f} % {self._meaning}  {sample.name}')
        for heap, key in wanted:
            heapq.heappush(heap, (key, -self._seen, picture))
            if len(heap) > self._number:
                heapq.heappop(heap)

    def write(self, folder: Path) -> list[Path]:
        """Write the pictures, ranked from the best and from the worst image.

        Args:
            folder: Existing output folder.

        Returns:
            Paths of the written files.
        """
        written = []
        for name, heap in (('best', self._best), ('worst', self._worst)):
            for place, (_, _, picture) in enumerate(sorted(heap, reverse=True), 1):
                written.append(folder / f'{name}_{place:02d}.png')
                write_picture(written[-1], picture)
        return written
