# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every segmentation network looks like from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from ldn_perception.errors import ModelError


class SegmentationOutput(NamedTuple):
    """What a segmentation network returns, always.

    Attributes:
        logits: (N, num_classes, h, w) float, at 1 / stride of the image, not upsampled.
        auxiliary: Logits of coarser heads, (N, num_classes, h', w') each; empty without them.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


class SegmentationModel(nn.Module, ABC):
    """A network that gives every cell of an image one logit per class.

    Attributes:
        num_classes: Number of logit channels.
        stride: Image pixels per logit cell, along either axis [px].
        uses_disparity: Whether `forward` needs pixels_per_metre.
    """

    num_classes: int
    stride: int
    uses_disparity: bool

    @abstractmethod
    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Logits of a batch of images.

        Args:
            image: (N, 3, H, W) float RGB, normalised with the ImageNet mean and deviation.
            pixels_per_metre: (N, H, W) float32, apparent size of one metre at each pixel's depth,
                fx / Z = (d - offset) / baseline [px/m]; NaN where the depth is unknown. Ignored
                by a model that does not use disparity.

        Returns:
            Logits of shape (N, num_classes, h, w), where h and w are H / stride and W / stride,
            rounded up or down as the network does.

        Raises:
            ModelError: The model uses disparity and there is none, or the image is too small.
        """


def check_pixels_per_metre(
    pixels_per_metre: Tensor | None, expected: tuple[int, ...],
) -> Tensor:
    """Refuse apparent sizes that are missing or do not fit the image.

    Args:
        pixels_per_metre: What a network was given.
        expected: Shape it must have, that of the image without its colours.

    Raises:
        ModelError: There are none, or they are of another shape.
    """
    if pixels_per_metre is None:
        raise ModelError(
            'pixels_per_metre', must_be=f'{expected} float32 for a model that uses disparity',
            got=None, do='pass the disparity divided by the baseline', reason='no_disparity',
        )
    if tuple(pixels_per_metre.shape) != expected:
        raise ModelError(
            'pixels_per_metre', must_be=f'{expected} as the image',
            got=tuple(pixels_per_metre.shape), do='bring both to the same size',
            reason='size_mismatch',
        )
    return pixels_per_metre
