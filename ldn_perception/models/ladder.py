# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder-style upsampling: coarse meaning blended with fine detail, step by step.

Source: thesis section 4.4.3 and Figure 4.3; concatenation instead of the sum is the older ladder
of Krešo et al., Croatian Computer Vision Workshop 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.norm_relu_conv import NormReluConv


class Blending(Enum):
    """How the upsampled features and the projected skip connection meet."""

    SUM = 'sum'
    CONCATENATION = 'concatenation'


class TransitionUp(nn.Module):
    """TU: blends upsampled semantic features with a finer skip connection.

    Args:
        in_channels: Maps of the coarse features.
        skip_channels: Maps of the skip connection.
        reduced_channels: Maps of their sum after the 1x1 convolution, before the 3x3; None leaves
            the 1x1 out.
        out_channels: Maps that go out.
        residual: Whether the upsampled coarse features are added to the output once more, through
            a 1x1 convolution where the maps differ in number. The thesis has no such path.
        separable: Whether the 3x3 convolution is depthwise separable (DWS).
        blending: See `Blending`.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        *,
        reduced_channels: int | None,
        out_channels: int,
        residual: bool = False,
        separable: bool = False,
        blending: Blending = Blending.SUM,
    ) -> None:
        super().__init__()
        self.blending = blending
        self.project_skip = NormReluConv(skip_channels, in_channels, kernel_size=1)
        width = in_channels if blending is Blending.SUM else 2 * in_channels
        self.reduce: nn.Module = nn.Identity()
        if reduced_channels is not None:
            self.reduce = NormReluConv(width, reduced_channels, kernel_size=1)
            width = reduced_channels
        self.blend = NormReluConv(width, out_channels, kernel_size=3, separable=separable)
        self.shortcut: nn.Module | None = None
        if residual:
            same = in_channels == out_channels
            self.shortcut = (
                nn.Identity() if same else NormReluConv(in_channels, out_channels, kernel_size=1)
            )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """(N, in_channels, h, w) and (N, skip_channels, H, W) to (N, out_channels, H, W)."""
        size = (skip.shape[-2], skip.shape[-1])
        upsampled = F.interpolate(coarse, size, mode='bilinear', align_corners=False)
        projected = self.project_skip(skip)
        if self.blending is Blending.SUM:
            met = upsampled + projected
        else:
            met = torch.cat((upsampled, projected), dim=1)
        blended: Tensor = self.blend(self.reduce(met))
        return blended if self.shortcut is None else blended + self.shortcut(upsampled)


class Ladder(nn.Module):
    """The upsampling path of Figure 4.1: one transition-up for every skip connection.

    The thesis gives the maps of each step in a drawing only; `docs/models.md` says which ones
    reproduce its tables.

    Args:
        in_channels: Maps of the coarsest features.
        skip_channels: Maps of the skip connections, finest first.
        step_channels: Maps each step gives, in the order of the steps: coarsest first. None at
            all makes a ladder without steps, which returns the coarsest features.
        reduced_channels: See `TransitionUp`.
        reduces_narrow: Whether a step also has the 1x1 where it would not give fewer maps.
        residual: See `TransitionUp`.
        separable: See `TransitionUp`.
        blending: See `TransitionUp`.

    Attributes:
        channels: Maps that enter each step.
        out_channels: Maps of the last step.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: Sequence[int],
        *,
        step_channels: Sequence[int],
        reduced_channels: int | None = 128,
        reduces_narrow: bool = True,
        residual: bool = False,
        separable: bool = False,
        blending: Blending = Blending.SUM,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        *entering, self.out_channels = (in_channels, *step_channels)
        self.channels = tuple(entering)
        for skip, width, step in zip(
            reversed(skip_channels), entering, step_channels, strict=True
        ):
            narrow = reduced_channels is not None and width <= reduced_channels
            self.steps.append(TransitionUp(
                width, skip, out_channels=step, residual=residual, separable=separable,
                reduced_channels=None if narrow and not reduces_narrow else reduced_channels,
                blending=blending,
            ))

    def climb(self, context: Tensor, skips: Sequence[Tensor]) -> list[Tensor]:
        """Features before the first step and after each.

        Args:
            context: (N, in_channels, h, w), the coarsest features.
            skips: (N, skip_channels[i], h_i, w_i), finest first.

        Returns:
            `context` first, then (N, step_channels[i], h_j, w_j) of each step, finest last.
        """
        features = [context]
        for step, skip in zip(self.steps, reversed(skips), strict=True):
            features.append(step(features[-1], skip))
        return features

    def forward(self, context: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """The last of `climb`: (N, out_channels, h_0, w_0) with the finest skip connection's."""
        return self.climb(context, skips)[-1]
