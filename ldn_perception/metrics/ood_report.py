# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of foreign scores: pixel level, component level and curves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.ood import OodCurve, OodMetrics, OodScores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.metrics.label_space import PixelTruth

@dataclass(frozen=True, slots=True)
class OodReport:
    """Report of one score on one set.

    Attributes:
        pixels: Pixel-level metrics.
        components: Component-level metrics at the threshold of the best pixel F1.
        curve: Rates by threshold.
    """

    pixels: OodMetrics
    components: ComponentMetrics
    curve: OodCurve


def report_scores(
    files: ScoreFiles, names: tuple[str, ...], track: ComponentTrack,
) -> Iterator[tuple[str, OodReport]]:
    """Pool and report scores one by one.

    Args:
        files: Score maps of the set, with at least one foreign and one known pixel.
        names: Names of the scores.
        track: Minimum component sizes.

    Yields:
        Name and report of each score, in the order of the names.
    """
    for name in names:
        pooled, components = OodScores(), ComponentScores(track)
        for scores, foreign, valid in files.maps(name):
            pooled.accumulate(scores, foreign, valid)
        metrics = pooled.metrics()
        for scores, foreign, valid in files.maps(name):
            components.accumulate(scores >= metrics.best_f1_threshold, foreign, valid)
        yield name, OodReport(metrics, components.metrics(), pooled.curve())


THRESHOLDS = tuple(np.linspace(0.25, 0.75, 11).tolist())
"""Thresholds on sIoU (component found) and PPV (prediction correct)."""


@dataclass(frozen=True, slots=True)
class ComponentTrack:
    """Minimum component sizes of a benchmark track.

    Attributes:
        min_predicted_px: Smaller predicted components are dropped [px].
        min_true_px: Smaller objects are ignored like pixels without ground truth [px].
    """

    min_predicted_px: int
    min_true_px: int


COMPONENT_TRACKS = {'anomaly': ComponentTrack(500, 100), 'obstacle': ComponentTrack(50, 10)}
"""Tracks of SegmentMeIfYouCan."""


@dataclass(frozen=True, slots=True)
class ComponentMetrics:
    """Component-level scores of a set.

    Attributes:
        mean_f1: Mean of the F1 at THRESHOLDS, in [0, 1].
        f1: F1 at each of THRESHOLDS.
        siou: Mean adjusted IoU of the true components.
        ppv: Mean positive predictive value of the predicted components.
        true_components: Number of true components.
        predicted_components: Number of predicted components.

    Means are NaN without components.
    """

    mean_f1: float
    f1: tuple[float, ...]
    siou: float
    ppv: float
    true_components: int
    predicted_components: int


class ComponentScores:
    """Matching of true and predicted components over a set of images.

    Components are 8-connected. The adjusted IoU (sIoU) of a true component k compares it with the
    union K of the predicted components that touch it: |k and K| over |k or K| without the pixels
    of K on other true components, so a prediction that covers two objects is not penalised. The
    PPV of a predicted component is the share of it on true components. At a threshold t, true
    components with sIoU >= t are true positives and the others false negatives; predicted
    components with PPV < t are false positives.

    Source: Chan et al., SegmentMeIfYouCan, NeurIPS 2021, section 4, and its public evaluation
    code, which also ignores the smallest objects. The reference mask is score > threshold of a
    binned curve; here it is score >= threshold of the exact curve.

    Args:
        track: Minimum component sizes.
    """

    def __init__(self, track: ComponentTrack) -> None:
        self._track = track
        self._siou: list[float] = []
        self._ppv: list[float] = []

    def accumulate(
        self, called: NDArray[np.bool_], foreign: NDArray[np.bool_], valid: NDArray[np.bool_],
    ) -> None:
        """Add the components of one image.

        Args:
            called: (H, W) bool, True where the score is at or above its threshold.
            foreign: (H, W) bool, True on foreign objects.
            valid: (H, W) bool, False where the ground truth is ignored.

        Raises:
            EvaluationError: The arrays are not bool images of equal size.
        """
        for name, mask in (('foreign mask', foreign), ('valid mask', valid), ('mask', called)):
            if mask.shape != called.shape or mask.dtype != np.bool_:
                raise EvaluationError(
                    name, must_be=f'{called.shape} bool', got=f'{mask.shape} {mask.dtype}',
                    do='give one truth value a pixel')
        true, dropped = _components(foreign & valid, self._track.min_true_px)
        predicted, _ = _components(called & valid, self._track.min_predicted_px)
        counted = valid & ~dropped
        overlap = _overlap(true[counted], predicted[counted])
        self._siou += _adjusted_iou(overlap)
        sizes = overlap[:, 1:].sum(0)
        self._ppv += (overlap[1:, 1:].sum(0)[sizes > 0] / sizes[sizes > 0]).tolist()

    def metrics(self) -> ComponentMetrics:
        """Scores of all images added."""
        siou, ppv = np.array(self._siou), np.array(self._ppv)
        f1 = tuple(_f1(siou, ppv, threshold) for threshold in THRESHOLDS)
        return ComponentMetrics(
            float(np.mean(f1)), f1, _mean(siou), _mean(ppv), siou.size, ppv.size)


def _components(
    mask: NDArray[np.bool_], min_px: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Numbered components, 0 = none, and the mask of too small components."""
    _, components, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    kept = stats[:, cv2.CC_STAT_AREA] >= min_px
    kept[0] = False
    numbers = (np.cumsum(kept) * kept).astype(np.int32)[components]
    return numbers, mask & (numbers == 0)


def _overlap(
    true: NDArray[np.int32], predicted: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Common pixels of each pair of component numbers, 0 included."""
    columns = int(predicted.max(initial=0)) + 1
    rows = int(true.max(initial=0)) + 1
    pairs = np.bincount(true.astype(np.int64) * columns + predicted, minlength=rows * columns)
    return pairs.reshape(rows, columns)


def _adjusted_iou(overlap: NDArray[np.int64]) -> list[float]:
    scores = []
    for row in range(1, len(overlap)):
        touching = np.flatnonzero(overlap[row, 1:]) + 1
        intersection = int(overlap[row, touching].sum())
        only_background = int(overlap[0, touching].sum())  # K outside all true components
        scores.append(intersection / (int(overlap[row].sum()) + only_background))
    return scores


def _f1(siou: NDArray[np.float64], ppv: NDArray[np.float64], threshold: float) -> float:
    found = int((siou >= threshold).sum())
    wrong = siou.size - found + int((ppv < threshold).sum())
    return 2 * found / (2 * found + wrong) if found + wrong else math.nan


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else math.nan


class ScoreFiles:
    """Score maps and ground truth in a temporary folder, deleted when the context ends.

    They take four bytes per pixel and score on disk, and two for the ground truth. Memory holds
    one score of the set at a time, four bytes per pixel, while `OodScores` pools it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix='ldn_scores_')
        self._images = 0

    def __enter__(self) -> ScoreFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __len__(self) -> int:
        return self._images

    def add(self, scores: Mapping[str, NDArray[np.float32]], truth: PixelTruth) -> None:
        """Write the maps of one image.

        Args:
            scores: Scores by name, (H, W) float32; the same names for every image.
            truth: Ground truth of the same size.
        """
        for name, values in scores.items():
            np.save(self._path(self._images, name), values)
        np.save(self._path(self._images, 'foreign'), truth.foreign)
        np.save(self._path(self._images, 'valid'), truth.foreign | truth.known)
        self._images += 1

    def maps(
        self, name: str
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]:
        """Iterate over one score of all images, in order.

        Yields:
            (H, W) float32 scores, (H, W) bool foreign, (H, W) bool valid.
        """
        for number in range(self._images):
            yield (np.load(self._path(number, name)), np.load(self._path(number, 'foreign')),
                   np.load(self._path(number, 'valid')))

    def _path(self, number: int, name: str) -> Path:
        return Path(self._folder.name, f'{number}.{name}.npy')
