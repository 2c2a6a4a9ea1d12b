# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The classifier that all networks of thesis chapter 3 end with."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


class BackEnd(nn.Sequential):
    """The classifier over VGG features: wide context, then one cell at a time.

    Args:
        in_channels: Maps that come in.
        num_classes: Number of logit channels.
        hidden_channels: Maps of the two hidden convolutions, 1024 each in the thesis.
        kernel_size: Width of the first convolution, 7 in the thesis [cells].

    Source: thesis section 3.2.4; batch norm has no learnable parameters (section 3.4). It makes
    biases before it useless, so those of the released code are left out.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        hidden_channels: Sequence[int] = (1024, 1024),
        kernel_size: int = 7,
    ) -> None:
        wide, deep = hidden_channels
        super().__init__(
            nn.Conv2d(in_channels, wide, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(wide, affine=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, deep, 1, bias=False),
            nn.BatchNorm2d(deep, affine=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(deep, num_classes, 1),
        )
        self.num_classes = num_classes
