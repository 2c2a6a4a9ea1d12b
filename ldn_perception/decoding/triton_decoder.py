# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
# mypy: disable-error-code="assignment,misc"
"""Decoding on a GPU with a Triton kernel.

A program decides a tile of pixels. It interpolates class by class, in the order of operations of
torch's interpolate. It keeps the highest score and the sum of exponentials relative to it; a new
highest score rescales the sum.

Source: Milakov and Gimelshein, Online normalizer calculation for softmax, 2018, algorithm 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
import triton
import triton.language as tl

from ldn_perception.decoding.decoder import LabelPolicy, OodRule, check_logits, segmentation_of
from ldn_perception.hardware import upload
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import UNLABELLED, Quantity, Segmentation

_PLANES = {
    'ood_mask': (Quantity.OOD_MASK, torch.uint8),
    'confidence': (Quantity.CONFIDENCE, torch.float32),
    'foreign_probability': (Quantity.FOREIGN_PROBABILITY, torch.float32),
}


class TritonDecoder:
    """Decodes logits in GPU memory and downloads only the requested quantities.

    Args:
        taxonomy: Classes of the logits' channels.
        device: A GPU; logits on another device are copied to it.
    """

    def __init__(self, taxonomy: Taxonomy, device: torch.device) -> None:
        self._taxonomy = taxonomy
        self._device = device

    def decode(
        self, logits: torch.Tensor, image: NDArray[np.uint8], rule: OodRule,
        quantities: Quantity,
    ) -> Segmentation:
        """Decode one image; see Decoder."""
        check_logits(logits, self._taxonomy)
        shape = image.shape[:2]
        planes = {'labels': torch.empty(shape, dtype=torch.uint8, device=self._device)}
        planes |= {
            name: torch.empty(shape, dtype=dtype, device=self._device)
            for name, (quantity, dtype) in _PLANES.items() if quantity in quantities}
        scores = upload(logits[0].detach(), self._device)
        decide_in_launch(
            scores, self._taxonomy.num_driving,
            rule.label_policy is LabelPolicy.DRIVING, rule.threshold, planes['labels'],
            *map(planes.get, _PLANES))
        if 'ood_mask' in planes:
            planes['ood_mask'] = planes['ood_mask'].view(torch.bool)
        return segmentation_of(planes, scores, self._taxonomy)


_TILE_HEIGHT, _TILE_WIDTH = 8, 32
_NUMBERS = [
    'class_step', 'row_step', 'column_step', 'num_rows', 'num_columns', 'height',
    'width']  # not specialised: one kernel for all values


def decide_in_launch(
    logits: Tensor, num_driving: int, keeps_driving: bool, threshold: float, labels: Tensor,
    ood_mask: Tensor | None, confidence: Tensor | None, foreign_probability: Tensor | None,
) -> None:
    """Decide every pixel; see Decoder. Outputs that are None are not computed.

    Args:
        logits: (C, h, w) float32, bfloat16 or float16, in any memory layout.
        num_driving: Number of driving classes; later classes are foreign.
        keeps_driving: True if a foreign pixel is labelled with its best driving class.
        threshold: Foreign probability above which a pixel is out of distribution, in [0, 1].
        labels: (H, W) uint8 output; all outputs are contiguous.
        ood_mask: (H, W) uint8 output, 0 or 1.
        confidence: (H, W) float32 output, in [0, 1].
        foreign_probability: (H, W) float32 output, in [0, 1].
    """
    num_classes, num_rows, num_columns = logits.shape
    height, width = labels.shape
    _decide_tile[(triton.cdiv(width, _TILE_WIDTH), triton.cdiv(height, _TILE_HEIGHT))](
        logits, labels, ood_mask, confidence, foreign_probability, *logits.stride(), num_rows,
        num_columns, height, width, threshold, NUM_DRIVING=num_driving, NUM_CLASSES=num_classes,
        KEEPS_DRIVING=keeps_driving, UNLABELLED=UNLABELLED, TILE_HEIGHT=_TILE_HEIGHT,
        TILE_WIDTH=_TILE_WIDTH)


@triton.jit(do_not_specialize=_NUMBERS)
def _decide_tile(  # type: ignore[no-untyped-def]
    logits, labels, ood_mask, confidence, foreign_probability, class_step, row_step, column_step,
    num_rows, num_columns, height, width, threshold, NUM_DRIVING: tl.constexpr,
    NUM_CLASSES: tl.constexpr, KEEPS_DRIVING: tl.constexpr, UNLABELLED: tl.constexpr,
    TILE_HEIGHT: tl.constexpr, TILE_WIDTH: tl.constexpr,
):
    """Decide a tile; its pixels outside the image use the last samples."""
    y = tl.program_id(1) * TILE_HEIGHT + tl.arange(0, TILE_HEIGHT)[:, None]
    x = tl.program_id(0) * TILE_WIDTH + tl.arange(0, TILE_WIDTH)[None]
    above, below, lower_weight = _samples(y, num_rows, height)
    left, right, right_weight = _samples(x, num_columns, width)
    upper_left = logits + above * row_step + left * column_step
    upper_right = logits + above * row_step + right * column_step
    lower_left = logits + below * row_step + left * column_step
    lower_right = logits + below * row_step + right * column_step

    NEEDS_SUMS: tl.constexpr = (
        ood_mask is not None or confidence is not None or foreign_probability is not None)
    best = tl.full((TILE_HEIGHT, TILE_WIDTH), float('-inf'), tl.float32)
    label = tl.full((TILE_HEIGHT, TILE_WIDTH), 0, tl.int32)
    total = tl.full((TILE_HEIGHT, TILE_WIDTH), 0, tl.float32)
    foreign = tl.full((TILE_HEIGHT, TILE_WIDTH), 0, tl.float32)
    for number in range(NUM_DRIVING):
        step = number * class_step
        score = _interpolated(
            upper_left + step, upper_right + step, lower_left + step, lower_right + step,
            right_weight, lower_weight)
        label = tl.where(score > best, number, label)
        if NEEDS_SUMS:
            total = _with_score(total, score - best)
        best = tl.maximum(best, score)
    best_driving = best
    for number in range(NUM_DRIVING, NUM_CLASSES):
        step = number * class_step
        score = _interpolated(
            upper_left + step, upper_right + step, lower_left + step, lower_right + step,
            right_weight, lower_weight)
        if NEEDS_SUMS:
            total = _with_score(total, score - best)
            foreign = _with_score(foreign, score - best)
        best = tl.maximum(best, score)

    pixel = y * width + x
    is_inside = (y < height) & (x < width)
    if not KEEPS_DRIVING:
        label = tl.where(best > best_driving, UNLABELLED, label)
    tl.store(labels + pixel, label.to(tl.uint8), is_inside)
    if confidence is not None:
        tl.store(confidence + pixel, tl.div_rn(tl.full(total.shape, 1, tl.float32), total),
                 is_inside)
    if NEEDS_SUMS:
        share = tl.div_rn(foreign, total)
        if ood_mask is not None:
            tl.store(ood_mask + pixel, (share > threshold).to(tl.uint8), is_inside)
        if foreign_probability is not None:
            tl.store(foreign_probability + pixel, share, is_inside)


@triton.jit
def _samples(pixel, num_samples, num_pixels):  # type: ignore[no-untyped-def]
    """Samples before and after pixels along a side, and the weight of the second."""
    scale = tl.div_rn(tl.cast(num_samples, tl.float32), tl.cast(num_pixels, tl.float32))
    position = tl.maximum(scale * (pixel.to(tl.float32) + 0.5) - 0.5, 0.0)
    first = tl.minimum(position.to(tl.int32), num_samples - 1)
    second = tl.minimum(first + 1, num_samples - 1)
    return first, second, position - first.to(tl.float32)


@triton.jit
def _interpolated(  # type: ignore[no-untyped-def]
    upper_left, upper_right, lower_left, lower_right, right_weight, lower_weight,
):
    """Interpolate the scores of a class between four samples."""
    left_weight, upper_weight = 1 - right_weight, 1 - lower_weight
    upper = (left_weight * tl.load(upper_left).to(tl.float32)
             + right_weight * tl.load(upper_right).to(tl.float32))
    lower = (left_weight * tl.load(lower_left).to(tl.float32)
             + right_weight * tl.load(lower_right).to(tl.float32))
    return upper_weight * upper + lower_weight * lower


@triton.jit
def _with_score(total, rise):  # type: ignore[no-untyped-def]
    """Add a score to the sum of exponentials; `rise` is its excess over the highest so far."""
    weight = tl.exp(-tl.abs(rise))
    return tl.where(rise > 0, total * weight + 1, total + weight)
