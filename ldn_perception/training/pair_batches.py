# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of crops of stereo pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ldn_perception.datasets.stereo_pairs import StereoPairs
from ldn_perception.training.pair_views import PairViews


class DrawnDomain(NamedTuple):
    """A dataset of pairs in a training.

    Attributes:
        pairs: The dataset.
        share: How often its pairs are drawn, against the shares of the others.
    """

    pairs: StereoPairs
    share: float


class PairBatch(NamedTuple):
    """What a step is made of; see `CropView`.

    Attributes:
        left: (N, 1, h + 2r, w + 2r) float32.
        right: (N, 1, h + 2r, w + 2r) float32.
        column: (N, h, w) float32 [px], NaN where there is no match.
    """

    left: Tensor
    right: Tensor
    column: Tensor


class PairBatches:
    """The same batch for the same seed and step.

    Args:
        domains: One or more.
        views: How their pairs are seen.
        batch_pairs: Pairs of a batch.
        seed: Of order and views.
    """

    def __init__(
        self, domains: Sequence[DrawnDomain], views: PairViews, batch_pairs: int, seed: int,
    ) -> None:
        self._domains, self._views, self._seed = domains, views, seed
        self._batch_pairs = batch_pairs
        shares = np.array([domain.share for domain in domains])
        self._shares = shares / shares.sum()

    def batch(self, step: int) -> PairBatch:
        """Draw the pairs of a step and cut crops out of them.

        Raises:
            DatasetError: A file is missing or damaged.
        """
        random = np.random.default_rng((self._seed, step))
        views = []
        for _ in range(self._batch_pairs):
            pairs = self._domains[random.choice(len(self._domains), p=self._shares)].pairs
            views += self._views.views(pairs[int(random.integers(len(pairs)))], random)
        left, right, column = (
            torch.from_numpy(np.stack(parts)) for parts in zip(*views, strict=True))
        return PairBatch(left[:, None], right[:, None], column)
