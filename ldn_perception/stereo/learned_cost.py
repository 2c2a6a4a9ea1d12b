# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learned matching cost: cosine of embeddings plus census distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.embeddings import SCALE, PatchEmbedding, census_signs, grey_levels
from ldn_perception.stereo.matching_costs import CensusCost, CostShares, vector_costs
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties
from ldn_perception.stereo.semi_global_matcher import steps_on
from ldn_perception.stereo.torch_aggregation import Described

OUTSIDE_COST = 40
"""Cost of embeddings outside the right image, of 128: above most true matches."""

LEARNED_PENALTIES = SmoothnessPenalties(small=50, large=400)
"""Chosen on held-out drives and photographs, for the weights of the shipped network."""


class LearnedCost:
    """Weighted sum of 1 - cosine of embeddings and census distance; a MatchingCost.

    Costs are computed by compiled loops on the CPU and by torch elsewhere. Both give the same
    integers for the same embeddings, which are rounded to eight bits.

    Args:
        network: Patch embedding; it is put into evaluation mode and converted to the precision.
        precision: torch.float32 or torch.bfloat16, dtype of the network.
        device: Device of the network; None for the CPU.
        shares: Weights of embeddings and census; None for embeddings alone.
        num_threads: CPU threads of the comparison; the result does not depend on it.

    Attributes:
        outside_cost: Cost of columns outside the right image.
    """

    def __init__(
        self, network: PatchEmbedding, precision: torch.dtype = torch.float32,
        device: torch.device | None = None, shares: CostShares | None = None,
        num_threads: int = 1,
    ) -> None:
        self._device = device if device is not None else torch.device('cpu')
        # torch's type stubs lack this overload of Module.to
        self._network = network.eval().requires_grad_(False).to(  # type: ignore[call-overload]
            self._device, precision, memory_format=torch.channels_last)
        self._census = CensusCost(num_threads=num_threads)
        self._shares = shares if shares is not None else CostShares()
        self.outside_cost = (
            OUTSIDE_COST * self._shares.vector // SCALE
            + self._shares.bit * self._census.outside_cost)
        self._workers = RowWorkers(num_threads)
        self._costs = np.empty((0, 0, 0), np.uint8)

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Compute the cost of every disparity at every pixel; see MatchingCost.

        On a CPU the next call reuses the memory.
        """
        if self._device.type != 'cpu':
            costs = self.compute_on_device(
                self._uploaded(left), self._uploaded(right), min_disparity, num_disparities)
            return np.asarray(costs.cpu().numpy(), np.uint8)
        shape = (*left.shape[:2], num_disparities)
        if self._costs.shape != shape:
            self._costs = np.empty(shape, np.uint8)
        vectors, others = (
            self._embed(self._uploaded(image)).numpy() for image in (left, right))
        vector_costs(
            vectors, others, self._codes(left), self._codes(right), self._shares,
            min_disparity, self.outside_cost, self._costs, self._workers)
        return self._costs

    def compute_on_device(
        self, left: Tensor, right: Tensor, min_disparity: int, num_disparities: int,
    ) -> Tensor:
        """Compute the costs in torch, without leaving the device.

        Args:
            left: (H, W, 3) uint8 RGB on the device.
            right: (H, W, 3) uint8 RGB on the device.
            min_disparity: Disparity of the first cost [px].
            num_disparities: D, >= 1.

        Returns:
            (H, W, D) uint8 on the device, see MatchingCost.
        """
        return steps_on(left.device).compare(
            self._described(left), self._described(right), self._shares, min_disparity,
            num_disparities, self.outside_cost)

    def _uploaded(self, image: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).to(self._device)

    def _embed(self, image: Tensor) -> Tensor:
        with torch.inference_mode():
            embedding: Tensor = self._network.embed(image)
            return embedding

    def _described(self, image: Tensor) -> Described:
        return Described(self._embed(image), _signs(image) if self._shares.bit else None)

    def _codes(self, image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        if self._shares.bit:
            return self._census.codes(image)
        return np.zeros(image.shape[:2], np.uint64)


def _signs(image: Tensor) -> Tensor:
    """Compute census signs, (H, W, 3) uint8 RGB to (H, W, NUM_SIGNS) int8."""
    levels = grey_levels(image).float()
    return census_signs(levels[None, None])[0].to(torch.int8).permute(1, 2, 0).contiguous()
