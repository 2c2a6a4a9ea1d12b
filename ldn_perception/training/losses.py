# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation loss over sets of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
import torch.nn.functional as F

from ldn_perception.models.segmentation_model import SegmentationOutput

LARGEST_CLASS_WEIGHT = 1e3
SMALLEST_PROBABILITY = 1e-30
_WINDOW_PX = 4


class LossParts(NamedTuple):
    """Loss terms of one batch, scalars.

    Attributes:
        total: Minimised loss.
        main: Cross-entropy of the final predictions at image resolution.
        auxiliary: Mean loss of the auxiliary heads; 0 without auxiliary heads.
    """

    total: Tensor
    main: Tensor
    auxiliary: Tensor


class SegmentationLoss(nn.Module):
    """Cross-entropy of the final predictions, and of auxiliary predictions against soft targets.

    The probability of a label is the sum over its set of possible classes, see `LabelSets`.

    Args:
        table: (K + 1, C) bool, the classes in each set; the last row is all True.
        auxiliary_weight: Weight of the mean auxiliary loss; the main loss has the remainder.
        class_balancing: Exponent a of the inverse label frequency in the batch, which weights the
            pixels; 0 for equal weights.
        sum_over_workers: Sum of a tensor over all processes; its gradient stays within the
            process.

    Source: thesis equations 4.2 and 4.3, weights 0.6 and 0.4 of section 4.6.1; class balancing
    w = min(10³, 1 / p(c)) of section 3.4. The thesis uses a sum; here it is a weighted mean, so
    that the learning rate does not depend on the image size, with an exponent. Means are over
    labelled pixels; an unlabelled pixel, or the unlabelled part of a window, has no weight.
    """

    table: Tensor

    def __init__(
        self, table: Tensor, auxiliary_weight: float = 0.4, *, class_balancing: float = 0.0,
        sum_over_workers: Callable[[Tensor], Tensor] = lambda value: value, num_workers: int = 1,
    ) -> None:
        super().__init__()
        self.register_buffer('table', table, persistent=False)
        self._auxiliary_weight = auxiliary_weight
        self._class_balancing = class_balancing
        self._sum_over_workers = sum_over_workers
        self._num_workers = num_workers

    def forward(self, output: SegmentationOutput, targets: Tensor) -> LossParts:
        """Loss of a batch.

        Args:
            output: Network output.
            targets: (N, H, W) uint8, set number of each pixel.
        """
        weights = self._set_weights(targets)
        main = self._main(output.logits, targets, weights)
        if not output.auxiliary:
            return LossParts(main, main.detach(), torch.zeros_like(main))
        windows = _set_shares(targets, len(self.table))
        auxiliary = torch.stack([
            self._soft(logits, windows, weights) for logits in output.auxiliary]).mean()
        total = (1 - self._auxiliary_weight) * main + self._auxiliary_weight * auxiliary
        return LossParts(total, main.detach(), auxiliary.detach())

    def _set_weights(self, targets: Tensor) -> Tensor:
        """Weight of a pixel of each set, (K + 1,) float; 0 for the last set."""
        counts = torch.bincount(targets.flatten().int(), minlength=len(self.table)).float()
        weights = torch.ones_like(counts)
        if self._class_balancing:
            counts = self._sum_over_workers(counts)
            share = counts / counts[:-1].sum().clamp(min=1)
            weights = (1 / share).clamp(max=LARGEST_CLASS_WEIGHT) ** self._class_balancing
        weights[-1] = 0
        return weights

    def _main(self, logits: Tensor, targets: Tensor, set_weights: Tensor) -> Tensor:
        scores = F.interpolate(
            logits.float(), targets.shape[-2:], mode='bilinear', align_corners=False,
        ).permute(0, 2, 3, 1)  # (N, H, W, C)
        labels = targets.int()
        cross_entropy: Callable[..., Tensor] = _SetCrossEntropy.apply
        losses = cross_entropy(scores, self.table[labels])
        weights = set_weights[labels]
        return self._weighted_mean((losses * weights).sum(), weights.sum())

    def _soft(self, logits: Tensor, windows: Tensor, set_weights: Tensor) -> Tensor:
        height, width = logits.shape[-2:]
        shares = F.adaptive_avg_pool2d(windows, (height, width))  # (N, K + 1, h, w)
        shares = shares * set_weights[:, None, None]
        losses = -(shares * log_set_probabilities(logits.float(), self.table)).sum()
        return self._weighted_mean(losses, shares.sum())

    def _weighted_mean(self, total: Tensor, weight: Tensor) -> Tensor:
        # The gradients are averaged over workers; that mean of this value is the mean over pixels.
        weight = self._sum_over_workers(weight).clamp(min=1e-6)
        return total * self._num_workers / weight


class _SetCrossEntropy(torch.autograd.Function):
    """Negative log probability of a set; the backward pass reuses the exponentials.

    With p the softmax and q its part inside the set, the gradient with respect to the scores is
    p - q / Σq, also where the loss is clipped because Σq is too small.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, inside: Tensor) -> Tensor:
        """Map (..., C) float32 scores and bool sets to (...) float32 losses."""
        probabilities = scores.softmax(-1)
        within = probabilities * inside
        share = within.sum(-1).clamp(min=SMALLEST_PROBABILITY)
        ctx.save_for_backward(probabilities, within, share)
        return -share.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient with respect to the scores; the sets have none."""
        probabilities, within, share = ctx.saved_tensors
        by_scores = torch.addcdiv(probabilities, within, share[..., None], value=-1)
        return by_scores.mul_(gradient[..., None]), None


def log_set_probabilities(logits: Tensor, table: Tensor) -> Tensor:
    """Log probability of each set of classes.

    Args:
        logits: (N, C, h, w) float32.
        table: (K, C) bool.

    Returns:
        (N, K, h, w) float32, at least -69 (a probability of 1e-30).
    """
    exponentials = (logits - logits.amax(1, keepdim=True)).exp()
    sums = torch.einsum('nchw,kc->nkhw', exponentials, table.to(exponentials.dtype))
    return (sums / exponentials.sum(1, keepdim=True)).clamp(min=SMALLEST_PROBABILITY).log()


def _set_shares(targets: Tensor, num_sets: int) -> Tensor:
    """Share of every set in windows of 4x4 pixels, (N, num_sets, H / 4, W / 4) float32.

    Equation 4.3 for the finest window; coarser windows are means of it. If a side is not a
    multiple of 4 pixels, windows are single pixels.
    """
    batch, height, width = targets.shape
    step = _WINDOW_PX if height % _WINDOW_PX == 0 and width % _WINDOW_PX == 0 else 1
    cells = targets.view(batch, height // step, step, width // step, step)
    pixels = cells.permute(0, 1, 3, 2, 4).flatten(3).long()  # (N, h, w, 16)
    shares = torch.zeros(*pixels.shape[:3], num_sets, device=targets.device)
    shares.scatter_add_(3, pixels, torch.full_like(pixels, 1, dtype=shares.dtype) / step**2)
    return shares.permute(0, 3, 1, 2)
