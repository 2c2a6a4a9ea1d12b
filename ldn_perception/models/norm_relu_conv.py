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
        dilation: Distance between the taps of the kernel [px].
        separable: Whether the convolution is a `SeparableConv`.

    Attributes:
        out_channels: See above.

    Source: Huang et al., Densely Connected Convolutional Networks, CVPR 2017, section 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int,
        bias: bool = False,
        dilation: int = 1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.out_channels = out_channels
        self.conv: nn.Module
        if separable:
            self.conv = SeparableConv(in_channels, out_channels, kernel_size=kernel_size)
        else:
            self.conv = nn.Conv2d(
                in_channels, out_channels, kernel_size,
                padding=dilation * (kernel_size // 2), dilation=dilation, bias=bias,
            )


class SeparableConv(nn.Sequential):
    """A convolution of each map by itself, then a 1x1 convolution that mixes them.

    Args:
        in_channels: Maps that come in.
        out_channels: Maps that go out.
        kernel_size: Odd width of the kernel of each map [px].

    Source: Chollet, Xception, CVPR 2017; in the ladder: thesis section 4.6.6 and Table 4.9.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, kernel_size, padding=kernel_size // 2, groups=in_channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
