# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How wrong vectors are: true matches have to be more alike than false ones of their line.

Source: the hinge of Žbontar and LeCun (JMLR 2016), section 3.2, here against the most alike of
several false matches instead of one at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
import torch.nn.functional as F

_NEAR_SHARE = 0.5
_UNLIKE = -2.0  # below every cosine
_EDGE_STEP_PX = 2.0
_EDGE_RADIUS_PX = 6
_FAR_AWAY_PX = 1e4


class MatchLoss(NamedTuple):
    """Loss of a batch, and how good it is.

    Attributes:
        loss: () weighted mean over those compared pixels that have a match.
        accuracy: () part of them whose most alike pixel of the line is the true one.
    """

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True, slots=True)
class CorrespondenceLoss:
    """max(0, margin + most alike false match - true match), as cosines.

    Attributes:
        margin: See the equation.
        tolerance_px: Closer to the true match nothing counts as false [px].
        near_px: Half of the pixels up to here are among the false ones [px].
        far_negatives: So many of the others, on average.
        anchors: Pixels of each line of the left image that are compared, at most.
        edge_weight: How much more the surroundings of an edge of a surface weigh than the inner
            part: there a patch sees two surfaces, and semi-global matching makes most errors.
    """

    margin: float
    tolerance_px: float
    near_px: float
    far_negatives: int
    anchors: int
    edge_weight: float = 0.0

    def __call__(
        self, left: Tensor, right: Tensor, column: Tensor, random: torch.Generator,
    ) -> MatchLoss:
        """Compare the vectors of lines.

        Args:
            left: (N, C, h, w) of unit length.
            right: (N, C, h, w) of unit length.
            column: (N, h, w) float32, column of the true match in the right image, NaN where
                there is none [px].
            random: Which false matches count; on the device of the vectors.
        """
        width = left.shape[-1]
        drawn = torch.randperm(width, generator=random, device=left.device)[:self.anchors]
        likeness = _lines(left[..., drawn]) @ _lines(right).transpose(1, 2)     # (N h, a, w)
        weight = self._weights(column)[..., drawn].flatten(0, 1)                # (N h, a)
        column = column[..., drawn].flatten(0, 1)
        known, place = torch.isfinite(column), torch.nan_to_num(column)
        hardest = self._hardest(likeness.detach(), place, random)
        before = place.floor().clamp(0, width - 2).long()
        chosen = likeness.gather(-1, torch.stack([before, before + 1, hardest], -1)).float()
        true = torch.lerp(chosen[..., 0], chosen[..., 1], place - before)
        losses = torch.relu(self.margin + chosen[..., 2] - true)
        is_right = (likeness.detach().argmax(-1) - place).abs() <= self.tolerance_px
        weight = weight * known
        return MatchLoss(
            (losses * weight).sum() / weight.sum().clamp(min=1),
            (is_right & known).sum() / known.sum().clamp(min=1))

    def _weights(self, column: Tensor) -> Tensor:
        """Weight of every pixel, (N, h, w); a pixel without match has an edge around it."""
        disparity = torch.arange(column.shape[-1], device=column.device) - column
        disparity = disparity.nan_to_num(_FAR_AWAY_PX)[:, None]
        most, least = (
            sign * F.max_pool2d(sign * disparity, 2 * _EDGE_RADIUS_PX + 1, 1, _EDGE_RADIUS_PX)
            for sign in (1, -1))
        return 1 + self.edge_weight * ((most - least)[:, 0] > _EDGE_STEP_PX)

    def _hardest(self, likeness: Tensor, place: Tensor, random: torch.Generator) -> Tensor:
        """Column of the most alike false match of each pixel, (N h, a) int64.

        All lines of a batch draw alike, which saves most of the random numbers.
        """
        anchors, width = likeness.shape[1:]
        candidates = torch.arange(width, device=place.device, dtype=place.dtype)
        distance = (candidates - place[..., None]).abs_()
        drawn = torch.rand(2, anchors, width, generator=random, device=place.device)
        is_near, is_far = drawn[0] < _NEAR_SHARE, drawn[1] < self.far_negatives / width
        is_false = torch.where(distance <= self.near_px, is_near, is_far)
        is_false &= distance > self.tolerance_px
        return likeness.masked_fill(~is_false, _UNLIKE).argmax(-1)


def _lines(vectors: Tensor) -> Tensor:
    """(N, C, h, w) -> (N h, w, C)."""
    return vectors.permute(0, 2, 3, 1).flatten(0, 1)

