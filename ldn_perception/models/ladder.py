# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ladder-style upsampling: coarse meaning blended with fine detail, step by step.

Source: thesis section 4.4.3 and Figure 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.models.norm_relu_conv import NormReluConv


class TransitionUp(nn.Module):
    """TU: blends upsampled semantic features with a finer skip connection.

    Args:
        in_channels: Maps of the coarse features.
        skip_channels: Maps of the skip connection.
        reduced_channels: Maps of their sum after the 1x1 convolution, before the 3x3.
        out_channels: Maps that go out.
        residual: Whether the upsampled coarse features are added to the output once more, through
            a 1x1 convolution where the maps differ in number. The thesis has no such path.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        *,
        reduced_channels: int,
        out_channels: int,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.project_skip = NormReluConv(skip_channels, in_channels, kernel_size=1)
        self.reduce = NormReluConv(in_channels, reduced_channels, kernel_size=1)
        self.blend = NormReluConv(reduced_channels, out_channels, kernel_size=3)
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
        blended: Tensor = self.blend(self.reduce(upsampled + self.project_skip(skip)))
        return blended if self.shortcut is None else blended + self.shortcut(upsampled)


class Ladder(nn.Module):
    """The upsampling path of Figure 4.1: one transition-up for every skip connection.

    The thesis gives the maps of each step in a drawing only. With DenseNet-121, every sum reduced
    to 128 maps and steps of (256, 256, 128, 64) maps, the whole 64→4 network has 9.53 M
    parameters and 66.8 G multiply-adds for 1024x1024 pixels, and 32→4 with (256, 128, 64) has
    9.04 M and 75.7 G: 0.3 %, 0.5 %, 0.4 % and 0.4 % above Table 4.1 (9.5 M, 66.5 G; 9.0 M,
    75.4 G), nearer than any other steps of 64, 96, 128, 160, 192 or 256 maps.

    Args:
        in_channels: Maps of the coarsest features.
        skip_channels: Maps of the skip connections, finest first.
        step_channels: Maps each step gives, in the order of the steps: coarsest first.
        reduced_channels: See `TransitionUp`.
        residual: See `TransitionUp`.

    Attributes:
        out_channels: Maps of the last step.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: Sequence[int],
        *,
        step_channels: Sequence[int],
        reduced_channels: int = 128,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        width = in_channels
        for skip, step in zip(reversed(skip_channels), step_channels, strict=True):
            self.steps.append(TransitionUp(
                width, skip, reduced_channels=reduced_channels, out_channels=step,
                residual=residual,
            ))
            width = step
        self.out_channels = width

    def forward(self, context: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Features at the resolution of the finest skip connection.

        Args:
            context: (N, in_channels, h, w), the coarsest features.
            skips: (N, skip_channels[i], h_i, w_i), finest first.

        Returns:
            (N, out_channels, h_0, w_0).
        """
        for step, skip in zip(self.steps, reversed(skips), strict=True):
            context = step(context, skip)
        return context
