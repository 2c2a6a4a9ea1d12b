# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ways of telling from the same logits how foreign a pixel is; higher is always more foreign.

The first two need foreign classes that were trained. The others look at the driving classes alone,
as a network without foreign classes would have to: they are the baselines of the benchmarks.
Under multi-scale evaluation the logits are logarithms of mean probabilities; there the largest
logit and the energy say what the probability of the driving classes says.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


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
