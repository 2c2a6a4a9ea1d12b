# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding in one pass over the image, compiled for the CPU.

The full-resolution logits (39 classes at 1226x370: 71 MB) never exist: a thread keeps two rows of
them, upsampled along x, and walks down its share of the image.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.frames import UNLABELLED, Quantity, Segmentation
from ldn_perception.segmentation.decoder import LabelPolicy, OodRule, check_logits
from ldn_perception.taxonomy.taxonomy import Taxonomy


class FusedDecoder:
    """Decodes logits in host memory.

    Args:
        taxonomy: Classes of the logits' channels.
        num_threads: Threads that share the rows of an image.
    """

    def __init__(self, taxonomy: Taxonomy, num_threads: int = 1) -> None:
        self._taxonomy = taxonomy
        self._num_threads = num_threads
        self._pool = ThreadPoolExecutor(num_threads, 'decode')

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Decode one image; see Decoder."""
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        scores = logits[0].float().numpy()  # (C, h, w), often channels last in memory
        labels = np.empty(shape, np.uint8)
        wants = [
            flag in quantities
            for flag in (Quantity.OOD_MASK, Quantity.CONFIDENCE, Quantity.FOREIGN_PROBABILITY)
        ]
        ood_mask = np.empty(shape if wants[0] else (0, 0), np.bool_)
        confidence = np.empty(shape if wants[1] else (0, 0), np.float32)
        foreign = np.empty(shape if wants[2] else (0, 0), np.float32)
        rows = _interpolation(scores.shape[1], shape[0])
        columns = _interpolation(scores.shape[2], shape[1])
        keep_driving = rule.label_policy is LabelPolicy.DRIVING

        def decode_rows(first: int, last: int) -> None:
            _decode_rows(
                scores, first, last, *rows, *columns, self._taxonomy.num_driving, keep_driving,
                np.float32(rule.threshold), labels, ood_mask, confidence, foreign)

        bounds = np.linspace(0, shape[0], 4 * self._num_threads + 1).astype(int)
        for _ in self._pool.map(decode_rows, bounds[:-1], bounds[1:]):
            pass
        return Segmentation(
            taxonomy=self._taxonomy.name,
            labels=labels,
            ood_mask=ood_mask if wants[0] else None,
            confidence=confidence if wants[1] else None,
            foreign_probability=foreign if wants[2] else None,
        )


def _interpolation(
    source: int, target: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours and weight of the second one, as interpolate(align_corners=False) has them."""
    scale = np.float32(source / target)
    position = np.maximum(scale * (np.arange(target, dtype=np.float32) + np.float32(0.5))
                          - np.float32(0.5), 0)
    first = np.minimum(position.astype(np.int64), source - 1)
    second = np.minimum(first + 1, source - 1)
    return first, second, (position - first).astype(np.float32)


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz', 'arcp', 'reassoc'})
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
            total[:] = 0
            total_foreign[:] = 0
            for c in range(num_classes):
                for x in range(width):
                    total[x] += _exponential(values[c, x] - best[x])
                if c == num_driving - 1:
                    total_foreign[:] = total
            for x in range(width):
                share = 1 - total_foreign[x] / total[x]
                total_foreign[x] = max(share, np.float32(0))
            if ood_mask.size:
                for x in range(width):
                    ood_mask[y, x] = total_foreign[x] > threshold
            if confidence.size:
                for x in range(width):
                    confidence[y, x] = 1 / total[x]
            if foreign.size:
                foreign[y] = total_foreign


@numba.njit(nogil=True, cache=True, fastmath={'contract', 'nsz', 'arcp', 'reassoc'})
def _stretch(source, left, right, weight, target):  # type: ignore[no-untyped-def]
    for c in range(source.shape[0]):
        for x in range(left.size):
            a, b = source[c, left[x]], source[c, right[x]]
            target[c, x] = a + weight[x] * (b - a)


@numba.njit(inline='always', fastmath=True)
def _exponential(x):  # type: ignore[no-untyped-def]
    """exp(x) for x <= 0, to 2e-6 where it is above 1e-7; plain arithmetic, so it vectorises."""
    z = max(x, np.float32(-87)) * np.float32(1 / 256)
    p = np.float32(1) + z * (np.float32(1) + z * (
        np.float32(0.5) + z * (np.float32(1 / 6) + z * np.float32(1 / 24))))
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return p
