# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign scores of logits; threshold, pixel share and smoothing of scores.

The scores `foreign_probability` and `foreign_argmax` need trained foreign classes;
`max_softmax_all` uses all classes. The others use the driving classes only, like a network
without foreign classes: they are the baselines of the benchmarks. In multi-scale evaluation the
logits are logarithms of mean probabilities; maximum logit and energy then depend on the
probability of the driving classes.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.errors import EvaluationError

if TYPE_CHECKING:
    from ldn_perception.metrics.label_space import PixelTruth

def foreign_probability(logits: Tensor, num_driving: int) -> Tensor:
    """Sum of the softmax over the foreign classes, in [0, 1].

    Source: thesis section 5.3.3; published by the node.
    """
    return logits.softmax(0)[num_driving:].sum(0)


def foreign_argmax(logits: Tensor, num_driving: int) -> Tensor:
    """Score 1 where a foreign class has the largest logit, else 0.

    Source: thesis section 5.3.3, the label of LDN2_ROB.
    """
    if num_driving == len(logits):
        return torch.zeros_like(logits[0])
    return (logits[num_driving:].amax(0) > logits[:num_driving].amax(0)).to(logits.dtype)


def max_softmax(logits: Tensor, num_driving: int) -> Tensor:
    """Score 1 - maximum softmax over the driving classes only, in [0, 1].

    Source: Hendrycks and Gimpel, A baseline for detecting misclassified and out-of-distribution
    examples, ICLR 2017.
    """
    return 1 - logits[:num_driving].softmax(0).amax(0)


def max_softmax_all(logits: Tensor, num_driving: int) -> Tensor:
    """Score 1 - maximum softmax over all classes, foreign ones included, in [0, 1].

    High where the network is undecided, low on a confident foreign class: the complement of the
    published confidence.
    """
    return 1 - logits.softmax(0).amax(0)


def entropy(logits: Tensor, num_driving: int) -> Tensor:
    """Entropy of the softmax over the driving classes only [nat]."""
    log_probability = logits[:num_driving].log_softmax(0)
    return -(log_probability.exp() * log_probability).sum(0)


def max_logit(logits: Tensor, num_driving: int) -> Tensor:
    """Negated maximum logit of the driving classes.

    Source: Hendrycks et al., Scaling out-of-distribution detection for real-world settings,
    ICML 2022.
    """
    return -logits[:num_driving].amax(0)


def energy(logits: Tensor, num_driving: int) -> Tensor:
    """Free energy of the driving classes, -log sum exp of their logits.

    Source: Liu et al., Energy-based out-of-distribution detection, NeurIPS 2020, eq. 4, T = 1.
    """
    return -logits[:num_driving].logsumexp(0)


FOREIGN_SCORES: dict[str, Callable[[Tensor, int], Tensor]] = {
    'foreign_probability': foreign_probability,
    'foreign_argmax': foreign_argmax,
    'max_softmax': max_softmax,
    'max_softmax_all': max_softmax_all,
    'entropy': entropy,
    'max_logit': max_logit,
    'energy': energy,
}
"""Scores by name: from (C, H, W) float32 logits and the number of driving classes (the first
channels) to (H, W) float32. The first one is published by the node."""


_SHIFT = 10  # mantissa bits (of 23 in a float32) ignored by the binning
_NUM_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class ForeignThreshold:
    """Histogram of foreign probabilities of in-distribution pixels.

    It has about a million bins with a relative width of 1/8192: the bits of a non-negative
    float32, read as an integer, are ordered like the number, and the upper bits are the bin index.
    It takes 8 MB for any number of pixels.
    """

    def __init__(self) -> None:
        self._bins = np.zeros(_NUM_BINS, np.int64)

    def accumulate(self, probability: NDArray[np.float32]) -> None:
        """Add in-distribution pixels.

        Args:
            probability: (N,) float32 in [0, 1]; rounding errors above 1 are accepted.

        Raises:
            EvaluationError: A value is not a probability.
        """
        if probability.size and not (probability.min() >= 0 and probability.max() <= 1 + 1e-5):
            raise EvaluationError(
                'foreign probability', must_be='in [0, 1]',
                got=f'{probability.min()} to {probability.max()}', do='check the weights')
        clipped = np.minimum(probability.astype(np.float32), np.float32(1)) + np.float32(0)
        bins = np.bincount(clipped.view(np.uint32) >> _SHIFT, minlength=_NUM_BINS)
        self._bins += bins

    @property
    def pixels(self) -> int:
        """Number of pixels added."""
        return int(self._bins.sum())

    def at(self, false_positive_rate: float) -> tuple[float, float]:
        """Smallest threshold, at the histogram's resolution, that meets a false positive rate.

        Args:
            false_positive_rate: Target share of pixels above the threshold, in (0, 1).

        Returns:
            The threshold, in [0, 1], and the exact share of pixels above it, at most the target.

        Raises:
            EvaluationError: The rate is not in (0, 1), or there are no pixels.
        """
        if not 0 < false_positive_rate < 1:
            raise EvaluationError(
                'false positive rate', must_be='above 0 and below 1', got=false_positive_rate,
                do='ask for 0.05, for example')
        if not self.pixels:
            raise EvaluationError(
                'in-distribution pixels', must_be='one or more', got='none',
                do='calibrate on a dataset with driving classes')
        above = self.pixels - np.cumsum(self._bins)
        allowed = math.floor(false_positive_rate * self.pixels)
        bin_number = int(np.flatnonzero(above <= allowed)[0])
        return _upper_end(bin_number), int(above[bin_number]) / self.pixels


def _upper_end(bin_number: int) -> float:
    """Largest value of a bin, at most 1."""
    bits = np.uint32(((bin_number + 1) << _SHIFT) - 1)
    return min(float(bits.view(np.float32)), 1.0)


class ForeignShare:
    """OOD share: part of the known, the foreign and all pixels that is predicted foreign.

    All pixels include those without ground truth.
    """

    def __init__(self) -> None:
        self._called = dict.fromkeys(('known', 'foreign', 'all'), 0)
        self._pixels = dict.fromkeys(('known', 'foreign', 'all'), 0)

    def accumulate(self, called: NDArray[np.bool_], truth: PixelTruth) -> None:
        """Add one image.

        Args:
            called: (H, W) bool, True where the prediction is foreign.
            truth: Ground truth of the same size.
        """
        everything = np.ones(called.shape, np.bool_)
        for name, mask in (
            ('known', truth.known), ('foreign', truth.foreign), ('all', everything),
        ):
            self._called[name] += int((called & mask).sum())
            self._pixels[name] += int(mask.sum())

    def shares(self) -> dict[str, float]:
        """OOD share by pixel group ('known', 'foreign', 'all'); NaN for an empty group."""
        return {
            name: self._called[name] / pixels if pixels else float('nan')
            for name, pixels in self._pixels.items()
        }


class ScoreSmoothing:
    """Exponential moving average of a score, per pixel.

    For the frames of one drive in order. It damps flicker, and delays moving content a little,
    since nothing is warped along the motion. A frame of another size restarts the average.

    Args:
        newest_weight: Weight of the newest frame, in (0, 1]; 1 disables smoothing.

    Raises:
        EvaluationError: The weight is not in (0, 1].
    """

    def __init__(self, newest_weight: float) -> None:
        if not 0 < newest_weight <= 1:
            raise EvaluationError(
                'share of the newest frame', must_be='above 0 and at most 1', got=newest_weight,
                do='choose 1 for no smoothing')
        self._newest_weight = np.float32(newest_weight)
        self._average: NDArray[np.float32] | None = None

    def smooth(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add the scores of the next frame.

        Args:
            scores: (H, W) float32.

        Returns:
            (H, W) float32, the average up to this frame.
        """
        average = self._average
        if average is None or average.shape != scores.shape:
            average = scores
        self._average = average + self._newest_weight * (scores - average)
        return self._average
