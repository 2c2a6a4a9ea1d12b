# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From camera bytes to what the networks were trained on."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean RGB of ImageNet, for values in [0, 1]."""

IMAGE_STD = (0.229, 0.224, 0.225)
"""Standard deviation of RGB over ImageNet, for values in [0, 1]."""


class Normalisation(NamedTuple):
    """What a network subtracts from RGB in [0, 1] and divides it by.

    Attributes:
        mean: Of red, green and blue.
        std: Their standard deviations, > 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation(IMAGE_MEAN, IMAGE_STD)
"""Of networks that begin with ImageNet weights, and of every network trained here."""


def normalise(image: Tensor, normalisation: Normalisation = IMAGENET) -> Tensor:
    """One camera image as a batch for a network.

    Args:
        image: (H, W, 3) uint8 RGB on any device.
        normalisation: What the network was trained with.

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
    # Whole rows instead of pixels: a last axis of 3 is too short to be vectorised.
    with torch.inference_mode(mode=False):
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        scale, offset = 1 / (255 * std), -mean / std
        return scale.repeat(width).to(device), offset.repeat(width).to(device)
