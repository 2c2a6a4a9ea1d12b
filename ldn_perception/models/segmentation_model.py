# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Common interface and input normalisation of all segmentation networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ldn_perception.errors import ModelError


class SegmentationOutput(NamedTuple):
    """Output of every segmentation network.

    Attributes:
        logits: (N, num_classes, h, w) float at 1 / stride of the image size, not upsampled.
        auxiliary: Logits of auxiliary heads, (N, num_classes, h', w') each; empty without heads.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...]


class SegmentationModel(nn.Module, ABC):
    """Network that computes one logit per class for every cell of an image.

    Attributes:
        num_classes: Number of logit channels.
        stride: Image pixels per logit cell along either axis [px].
        uses_disparity: True if `forward` needs pixels_per_metre.
    """

    num_classes: int
    stride: int
    uses_disparity: bool

    @abstractmethod
    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute the logits of a batch of images.

        Args:
            image: (N, 3, H, W) float RGB, normalised with the ImageNet mean and deviation.
            pixels_per_metre: (N, H, W) float32, apparent size of one metre at each pixel's depth,
                fx / Z = (d - offset) / baseline [px/m]; NaN where the depth is unknown. Ignored
                by a model that does not use disparity.

        Returns:
            Logits (N, num_classes, h, w); h and w are H / stride and W / stride, rounded up or
            down depending on the network.

        Raises:
            ModelError: The model uses disparity and none is given, or the image is too small.
        """


def check_pixels_per_metre(
    pixels_per_metre: Tensor | None, expected: tuple[int, ...],
) -> Tensor:
    """Check that pixels_per_metre is present and has the size of the image.

    Args:
        pixels_per_metre: Input of a network, (N, H, W) float32 [px/m], or None.
        expected: Required shape, (N, H, W) of the image.

    Raises:
        ModelError: It is None or has another shape.
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


IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean RGB of ImageNet, for values in [0, 1]."""

IMAGE_STD = (0.229, 0.224, 0.225)
"""Standard deviation of RGB over ImageNet, for values in [0, 1]."""


class Normalisation(NamedTuple):
    """Per-channel mean and standard deviation for RGB in [0, 1]: (rgb - mean) / std.

    Attributes:
        mean: Means of red, green and blue.
        std: Standard deviations of red, green and blue, > 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation(IMAGE_MEAN, IMAGE_STD)
"""Normalisation of networks with ImageNet weights and of every network trained here."""


def normalise(image: Tensor, normalisation: Normalisation = IMAGENET) -> Tensor:
    """Convert one camera image to a normalised batch.

    Args:
        image: (H, W, 3) uint8 RGB on any device.
        normalisation: Normalisation the network was trained with.

    Returns:
        (1, 3, H, W) float32 on the same device, channels last in memory, (rgb / 255 - mean) / std.
    """
    height, width, _ = image.shape
    scale, offset = _row_constants(width, image.device, normalisation)
    rows = torch.addcmul(offset, image.reshape(height, width * 3).float(), scale)
    return rows.view(1, height, width, 3).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _row_constants(
    width: int, device: torch.device, normalisation: Normalisation,
) -> tuple[Tensor, Tensor]:
    # Whole rows instead of pixels: a last axis of length 3 is too short to vectorise.
    with torch.inference_mode(mode=False):
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        scale, offset = 1 / (255 * std), -mean / std
        return scale.repeat(width).to(device), offset.repeat(width).to(device)
