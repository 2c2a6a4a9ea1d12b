# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign scores of logits; their threshold, share and smoothing.

Scores: The first two need foreign classes that were trained. The others look at the driving
classes alone, as a network without foreign classes would have to: they are the baselines of the
benchmarks. Under multi-scale evaluation the logits are logarithms of mean probabilities; there the
largest logit and the energy say what the probability of the driving classes says.
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

    Source: thesis section 5.3.3; what the node publishes.
    """
    return logits.softmax(0)[num_driving:].sum(0)


def foreign_argmax(logits: Tensor, num_driving: int) -> Tensor:
    """1 where a foreign class is the most probable one, else 0.

    Source: thesis section 5.3.3, the label of LDN2_ROB.
    """
    if num_driving == len(logits):
        return torch.zeros_like(logits[0])
    return (logits[num_driving:].amax(0) > logits[:num_driving].amax(0)).to(logits.dtype)


def max_softmax(logits: Tensor, num_driving: int) -> Tensor:
    """1 - the largest softmax over the driving classes alone, in [0, 1].

    Source: Hendrycks and Gimpel, A baseline for detecting misclassified and out-of-distribution
    examples, ICLR 2017.
    """
    return 1 - logits[:num_driving].softmax(0).amax(0)


def max_softmax_all(logits: Tensor, num_driving: int) -> Tensor:
    """1 - the largest softmax over all classes, foreign ones included, in [0, 1].

    High where the network cannot choose, low on a foreign class it is sure of: the complement of
    the published confidence.
    """
    return 1 - logits.softmax(0).amax(0)


def entropy(logits: Tensor, num_driving: int) -> Tensor:
    """Entropy of the softmax over the driving classes alone [nat]."""
    log_probability = logits[:num_driving].log_softmax(0)
    return -(log_probability.exp() * log_probability).sum(0)


def max_logit(logits: Tensor, num_driving: int) -> Tensor:
    """The largest logit of a driving class, negated.

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
"""Name -> score of (C, H, W) float32 logits, the first num_driving of driving classes, as (H, W)
float32. The first is what the node publishes."""


_SHIFT = 10  # of the 23 bits of a float32's mantissa: what a bin does not tell apart
_NUM_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1


class ForeignThreshold:
    """Histogram of the foreign probabilities of any number of in-distribution pixels.

    Its million bins are as wide as 1/8192 of the values in them: the bits of a non-negative
    float32, read as an integer, are ordered like the number, and the upper ones are the bin.
    It takes 8 MB however many pixels come.
    """

    def __init__(self) -> None:
        self._bins = np.zeros(_NUM_BINS, np.int64)

    def accumulate(self, probability: NDArray[np.float32]) -> None:
        """Add in-distribution pixels.

        Args:
            probability: (N,) float32 in [0, 1]; rounding may carry it a little beyond 1.

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
        """Number of pixels added so far."""
        return int(self._bins.sum())

    def at(self, false_positive_rate: float) -> tuple[float, float]:
        """Smallest threshold the histogram can tell that keeps to a false positive rate.

        Args:
            false_positive_rate: Wanted part of the pixels above the threshold, in (0, 1).

        Returns:
            The threshold, in [0, 1], and the part of the pixels with a probability above it,
            exact and at most the wanted one.

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
    """Largest value of a bin, no more than 1."""
    bits = np.uint32(((bin_number + 1) << _SHIFT) - 1)
    return min(float(bits.view(np.float32)), 1.0)


class ForeignShare:
    """Part of the pixels that is called foreign: of the known, the foreign and of all.

    All pixels include those that the ground truth says nothing about.
    """

    def __init__(self) -> None:
        self._called = dict.fromkeys(('known', 'foreign', 'all'), 0)
        self._pixels = dict.fromkeys(('known', 'foreign', 'all'), 0)

    def accumulate(self, called: NDArray[np.bool_], truth: PixelTruth) -> None:
        """Add one image.

        Args:
            called: (H, W) bool, True where the network says foreign.
            truth: Of the same size.
        """
        everything = np.ones(called.shape, np.bool_)
        for name, mask in (
            ('known', truth.known), ('foreign', truth.foreign), ('all', everything),
        ):
            self._called[name] += int((called & mask).sum())
            self._pixels[name] += int(mask.sum())

    def shares(self) -> dict[str, float]:
        """'known', 'foreign', 'all' -> part of them called foreign; NaN where there are none."""
        return {
            name: self._called[name] / pixels if pixels else float('nan')
            for name, pixels in self._pixels.items()
        }


class ScoreSmoothing:
    """Exponential moving average of a score, pixel by pixel.

    For the frames of one drive in their order: what flickers is damped, and so is, a little late,
    what moves. Nothing is warped along the motion. A frame of another size starts anew.

    Args:
        newest_weight: Share of the newest frame in the average, in (0, 1]; 1 leaves the scores as
            they are.

    Raises:
        EvaluationError: The share is not in (0, 1].
    """

    def __init__(self, newest_weight: float) -> None:
        if not 0 < newest_weight <= 1:
            raise EvaluationError(
                'share of the newest frame', must_be='above 0 and at most 1', got=newest_weight,
                do='choose 1 for no smoothing')
        self._newest_weight = np.float32(newest_weight)
        self._average: NDArray[np.float32] | None = None

    def smooth(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in the scores of the next frame.

        Args:
            scores: (H, W) float32.

        Returns:
            (H, W) float32, the average including this frame.
        """
        average = self._average
        if average is None or average.shape != scores.shape:
            average = scores
        self._average = average + self._newest_weight * (scores - average)
        return self._average
