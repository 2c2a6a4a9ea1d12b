# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The unit everything beside VGG is made of: batch norm, ReLU, convolution."""

from torch import nn


class NormReluConv(nn.Sequential):
    """Batch norm, ReLU and a convolution that keeps the resolution, in this order.

    Args:
        in_channels: Maps that come in.
        out_channels: Maps that go out.
        kernel_size: Odd width of the kernel [px].
        bias: Whether the convolution has a bias; only heads need one.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017, section 3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel_size: int, bias: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias
        )
