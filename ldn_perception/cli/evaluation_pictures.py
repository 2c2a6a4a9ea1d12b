# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The best and the worst images of an evaluation."""

from __future__ import annotations

import heapq
import math
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.cli.evaluation_run import Judgement
from ldn_perception.cli.evaluation_samples import Sample
from ldn_perception.cli.picture_tiles import captioned, write_picture
from ldn_perception.evaluation.pixel_truth import PixelTruth
from ldn_perception.pictures import Picture, color_labels
from ldn_perception.taxonomy import Taxonomy

TILE_WIDTH_PX = 480
_KNOWN, _IGNORED, _FOREIGN = (40, 60, 40), (128, 128, 128), (255, 128, 0)


def draw_judgement(
    sample: Sample, judgement: Judgement, taxonomy: Taxonomy, caption: str,
) -> Picture:
    """Image, truth, prediction and foreign probability, side by side.

    Where the truth has no classes it shows what is foreign: orange, the rest dark green, pixels
    without ground truth grey.

    Args:
        sample: The image.
        judgement: What the network says of it.
        taxonomy: Colours of the labels.
        caption: Above the image, ASCII.

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
    """Classes in their colours, foreign pixels orange; see `draw_judgement`.

    Args:
        truth: Of one image.
        taxonomy: Colours of its labels.

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
    """Probability from black over red to pale yellow.

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
    """Keeps the pictures of the best and the worst images, and no others.

    Args:
        number: How many of each.
        taxonomy: Colours of the labels.
        meaning: What the merit of an image is.
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
        """Write the pictures, the best from the best down and the worst from the worst up.

        Args:
            folder: Where to; it exists.

        Returns:
            Files that were written.
        """
        written = []
        for name, heap in (('best', self._best), ('worst', self._worst)):
            for place, (_, _, picture) in enumerate(sorted(heap, reverse=True), 1):
                written.append(folder / f'{name}_{place:02d}.png')
                write_picture(written[-1], picture)
        return written
