# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding on the CPU without full-resolution logits (39 classes at 1226x370: 71 MB).

Labels and mask are computed from the cells between the logits, most of which are decided by their
corners. Probabilities of all pixels need exponentials at all pixels; then each thread keeps two
rows of logits, upsampled along x, and walks down its part of the image. Both paths give the same
labels and the same mask, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
import math

import numba
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.decoding.cell_labels import (
    DRIVING,
    CellAxis,
    cell_axis,
    decide_labels,
    measure_samples,
    padded_width,
    sum_exponentials,
)
from ldn_perception.decoding.cell_mask import decide_mask
from ldn_perception.decoding.decoder import LabelPolicy, OodRule, check_logits
from ldn_perception.decoding.non_finite import find_non_finite, mark_non_finite
from ldn_perception.hardware import RowWorkers
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import UNLABELLED, Quantity, Segmentation

_MIN_PIXELS_PER_CELL = 4
_MIN_AGREEMENT = 0.5  # of neighbouring samples in class; below it cells cost more than pixels
_PROBABILITY_ERROR = 1e-5
_UNIT_ROUNDOFF = 2.0 ** -24


class FusedDecoder:
    """Decodes logits in host memory; construction compiles kernels not yet cached.

    Args:
        taxonomy: Classes of the logits' channels.
        num_threads: Threads that share the rows of an image, including the calling one.
    """

    def __init__(self, taxonomy: Taxonomy, num_threads: int = 1) -> None:
        self._taxonomy = taxonomy
        self._workers = RowWorkers(num_threads)
        logits, image = torch.zeros(1, len(taxonomy), 2, 3), np.zeros((8, 12, 3), np.uint8)
        for quantities in (Quantity.OOD_MASK, Quantity.ALL):
            self.decode(logits, image, OodRule(), quantities)

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Decode one image; see Decoder."""
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        # (h, w, C), the memory layout of the convolutions' output
        samples = logits[0].float().permute(1, 2, 0).contiguous()
        scores = samples.numpy()
        is_finite = find_non_finite(samples.permute(2, 0, 1))
        if is_finite is not None:  # the bounds of cells hold for numbers only
            scores = np.where(is_finite[..., None], scores, np.float32(0))
        labels = np.empty(shape, np.uint8)
        wants = [
            flag in quantities
            for flag in (Quantity.OOD_MASK, Quantity.CONFIDENCE, Quantity.FOREIGN_PROBABILITY)
        ]
        ood_mask = np.empty(shape if wants[0] else (0, 0), np.bool_)
        confidence = np.empty(shape if wants[1] else (0, 0), np.float32)
        foreign = np.empty(shape if wants[2] else (0, 0), np.float32)
        rows, columns = cell_axis(scores.shape[0], shape[0]), cell_axis(scores.shape[1], shape[1])
        if wants[1] or wants[2] or self._taxonomy.num_driving == 0 or not _cells_pay(
                scores, shape, rule, wants[0]):
            self._workers.share(
                self._pixel_decoder(
                    scores, rows, columns, rule, labels, ood_mask, confidence, foreign),
                shape[0])
        else:
            self._decode_cells(scores, rows, columns, rule, labels, ood_mask)
        segmentation = Segmentation(
            taxonomy=self._taxonomy.name,
            labels=labels,
            ood_mask=ood_mask if wants[0] else None,
            confidence=confidence if wants[1] else None,
            foreign_probability=foreign if wants[2] else None,
        )
        return mark_non_finite(segmentation, is_finite)

    def _decode_cells(
        self, scores: NDArray[np.float32], rows: CellAxis, columns: CellAxis, rule: OodRule,
        labels: NDArray[np.uint8], ood_mask: NDArray[np.bool_],
    ) -> None:
        num_driving, num_classes = self._taxonomy.num_driving, len(self._taxonomy)
        width = padded_width(scores.shape[1])
        keeps_driving = rule.label_policy is LabelPolicy.DRIVING
        has_mask = ood_mask.size > 0 and num_driving < num_classes
        if not has_mask:
            ood_mask[:] = False

        pixels = self._pixel_decoder(
            scores, rows, columns, rule, labels, ood_mask, *np.empty((2, 0, 0), np.float32))

        def decode_rows(first: int, last: int) -> None:
            number = last - first + 1
            planes = np.empty((number, num_classes, width), np.float32)
            best, second = np.empty((2, number, 2, width), np.float32)
            winner = np.empty((number, 2, width), np.int32)
            magnitude = measure_samples(scores, first, num_driving, planes, best, second, winner)
            if _agreement(winner[:, DRIVING]) < _MIN_AGREEMENT:
                pixels(int(rows.starts[first]), int(rows.starts[last]))
                return
            grid = (rows.starts, rows.weight, columns.first, columns.starts, columns.weight)
            decide_labels(
                scores, first, best, second, winner, *grid, num_driving,
                num_driving if keeps_driving else num_classes,
                np.float32(label_margin(magnitude)), labels)
            if has_mask:
                least, most = decisive_log_odds(rule.threshold, num_classes, magnitude)
                decide_mask(
                    planes, first, best, winner, *grid, num_driving, np.float32(least),
                    np.float32(most), np.float32(rule.threshold), ood_mask)

        self._workers.share(decode_rows, scores.shape[0])

    def _pixel_decoder(
        self, scores: NDArray[np.float32], rows: CellAxis, columns: CellAxis, rule: OodRule,
        labels: NDArray[np.uint8], ood_mask: NDArray[np.bool_],
        confidence: NDArray[np.float32], foreign: NDArray[np.float32],
    ) -> Callable[[int, int], None]:
        keeps_driving = rule.label_policy is LabelPolicy.DRIVING
        planes = scores.transpose(2, 0, 1)

        def decode_rows(first: int, last: int) -> None:
            _decode_rows(
                planes, first, last, *rows[:3], *columns[:3], self._taxonomy.num_driving,
                keeps_driving, np.float32(rule.threshold), labels, ood_mask, confidence, foreign)

        return decode_rows


def _cells_pay(
    scores: NDArray[np.float32], shape: tuple[int, ...], rule: OodRule, wants_mask: bool,
) -> bool:
    """True if cells contain enough pixels and the threshold can be decided by bounds."""
    num_pixels, num_cells = math.prod(shape), math.prod(scores.shape[:2])
    return num_pixels >= _MIN_PIXELS_PER_CELL * num_cells and (
        rule.threshold > _PROBABILITY_ERROR or not wants_mask)


def _agreement(winner: NDArray[np.int32]) -> float:
    return float(np.mean(winner[:, 1:] == winner[:, :-1]))


def label_margin(magnitude: float) -> float:
    """Lead at the corners of a cell that cannot be lost to rounding inside it.

    An interpolated logit is a difference, a product and a sum, twice. Its error is less than
    10 u M, with u the unit roundoff and M the largest magnitude at the corners. The error of the
    difference of two of them is less than 20 u M.

    Args:
        magnitude: M, the largest magnitude of a logit.
    """
    return 32 * _UNIT_ROUNDOFF * float(magnitude)


def decisive_log_odds(
    threshold: float, num_classes: int, magnitude: float,
) -> tuple[float, float]:
    """Log odds below and above which the mask is certain despite rounding.

    Sums of n numbers have errors below n u times their magnitudes, which are logits less than 87
    below the largest; exponentials and logarithms add 2e-5 together. For a probability that is not
    clearly on one side of the threshold, the pixel itself has to be computed.

    Args:
        threshold: Foreign probability above which a pixel is out of distribution, in [0, 1].
        num_classes: Number of classes n.
        magnitude: Largest magnitude of a logit.
    """
    guard = 1e-4 + 2 * (num_classes + 32) * _UNIT_ROUNDOFF * (float(magnitude) + 100)
    least = math.inf if threshold >= 1 else _log_odds(threshold - _PROBABILITY_ERROR)
    return least - guard, _log_odds(threshold + _PROBABILITY_ERROR) + guard


def _log_odds(probability: float) -> float:
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else math.log(probability / (1 - probability))


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def _decode_rows(  # type: ignore[no-untyped-def]
    scores, first_row, last_row, above, below, row_weight, left, right, column_weight,
    num_driving, keep_driving, threshold, labels, ood_mask, confidence, foreign,
):
    num_classes, width = scores.shape[0], left.size
    needs_sums = ood_mask.size + confidence.size + foreign.size > 0
    upper = np.empty((num_classes, width), np.float32)
    lower = np.empty((num_classes, width), np.float32)
    values = np.empty((num_classes, width), np.float32)
    best = np.empty(width, np.float32)
    best_driving = np.empty(width, np.float32)
    label = np.empty(width, np.int32)
    total = np.empty(width, np.float32)
    total_foreign = np.empty(width, np.float32)
    row_of_upper = row_of_lower = -1
    for y in range(first_row, last_row):
        if above[y] != row_of_upper:
            if above[y] == row_of_lower:
                upper, lower = lower, upper
            else:
                _stretch(scores[:, above[y]], left, right, column_weight, upper)
            _stretch(scores[:, below[y]], left, right, column_weight, lower)
            row_of_upper, row_of_lower = above[y], below[y]
        t = row_weight[y]
        best[:] = -np.inf
        label[:] = 0
        for c in range(num_classes):
            if c == num_driving:
                best_driving[:] = best
            for x in range(width):
                value = upper[c, x] + t * (lower[c, x] - upper[c, x])
                values[c, x] = value
                label[x] = c if value > best[x] and c < num_driving else label[x]
                best[x] = max(value, best[x])
        if num_driving == num_classes:
            best_driving[:] = best
        for x in range(width):
            is_foreign = best[x] > best_driving[x]
            labels[y, x] = UNLABELLED if is_foreign and not keep_driving else label[x]
        if needs_sums:
            sum_exponentials(values, best, width, num_driving, total, total_foreign)
            if ood_mask.size:
                for x in range(width):
                    ood_mask[y, x] = total_foreign[x] > threshold
            if confidence.size:
                for x in range(width):
                    confidence[y, x] = 1 / total[x]
            if foreign.size:
                foreign[y] = total_foreign


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz'})
def _stretch(source, left, right, weight, target):  # type: ignore[no-untyped-def]
    for c in range(source.shape[0]):
        for x in range(left.size):
            a, b = source[c, left[x]], source[c, right[x]]
            target[c, x] = a + weight[x] * (b - a)
