# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Feature vectors of image patches: learned embeddings and census signs.

Source of the embedding: Žbontar and LeCun, Stereo matching by training a convolutional neural
network to compare image patches, JMLR 2016, section 3.2, the fast architecture.

The dot product of two census sign vectors is the number of bits minus twice the Hamming distance
of `CensusCost`, which cites the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn
import torch.nn.functional as F

EMBEDDING_NAME = 'patch_embedding'
"""Name of the network in weights files."""

SCALE = 128
"""Length of the quantised vectors."""

_LEAST_LENGTH = 1e-6
_LARGEST = 127  # of int8, with the negative also in range
_GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601
_LEAST_DEVIATION = 1.0  # grey levels; avoids amplifying noise of a blank image


class PatchEmbedding(nn.Module):
    """3x3 convolutions without padding, with ReLU between them.

    Args:
        num_maps: Length of the vectors.
        num_layers: Number of convolutions; each extends the patch by a pixel on every side.

    Attributes:
        num_maps: Length of the vectors.
        radius: Radius of the patch, num_layers [px].
    """

    def __init__(self, num_maps: int = 32, num_layers: int = 5) -> None:
        super().__init__()
        self.num_maps, self.radius = num_maps, num_layers
        self.layers = nn.Sequential(*_layers(num_maps, num_layers))

    def forward(self, image: Tensor) -> Tensor:
        """Embed the pixels whose patch lies inside the images.

        Args:
            image: (N, 1, H, W) floating point, see `standardise`.

        Returns:
            (N, num_maps, H - 2 radius, W - 2 radius) unit vectors of the same dtype.
        """
        features = self.layers(image)
        length = torch.linalg.vector_norm(
            features, dim=1, keepdim=True, dtype=torch.float32).clamp(min=_LEAST_LENGTH)
        unit: Tensor = features * length.reciprocal().to(features.dtype)
        return unit

    def embed(self, image: Tensor) -> Tensor:
        """Embed every pixel of an image, padded by border replication.

        Args:
            image: (H, W, 3) uint8 RGB on the device of the network.

        Returns:
            (H, W, num_maps) int8 on that device, contiguous: SCALE times the unit vectors,
            rounded and clamped to [-127, 127].
        """
        weight = next(self.parameters())
        grey = F.pad(standardise(image)[None, None], (self.radius,) * 4, mode='replicate')
        batch = grey.to(weight.dtype).contiguous(memory_format=torch.channels_last)
        features = self.layers(batch)[0].permute(1, 2, 0).contiguous()
        # A matrix product sums short vectors several times as fast as vector_norm.
        length = (features.square() @ features.new_ones(self.num_maps)).float().sqrt_()
        features *= (SCALE / length.clamp_(min=_LEAST_LENGTH)).to(features.dtype)[..., None]
        embedding: Tensor = features.round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8)
        return embedding


def standardise(image: Tensor) -> Tensor:
    """Grey image with mean 0 and standard deviation 1.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float32; all 0 for an image of a single colour.
    """
    grey = image.float() @ _grey_weights(image.device)
    return (grey - grey.mean()) / grey.std(correction=0).clamp(min=_LEAST_DEVIATION)


@lru_cache(maxsize=8)
def _grey_weights(device: torch.device) -> Tensor:
    # Uploading the weights for every image would make the host wait.
    with torch.inference_mode(mode=False):
        return torch.tensor(_GREY_WEIGHTS, device=device)


def _layers(num_maps: int, num_layers: int) -> Iterator[nn.Module]:
    for number in range(num_layers):
        if number:
            yield nn.ReLU(inplace=True)
        layer = nn.Conv2d(num_maps if number else 1, num_maps, 3)
        nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
        yield layer


RADIUS_X, RADIUS_Y = 5, 2
"""Half width and height of the census window [px], those of CensusCost by default."""

NUM_SIGNS = (2 * RADIUS_X + 1) * (2 * RADIUS_Y + 1) - 1
"""Comparisons per pixel."""

_FIXED_GREY = (9798, 19235, 3735)  # ITU-R BT.601 in units of 1/32768, rounded as in OpenCV
_GREY_BITS = 15


def census_signs(image: Tensor) -> Tensor:
    """Sign of each neighbour comparison, darker (1) or not (-1), padded by border replication.

    Args:
        image: (N, 1, H, W) floating point; integral grey levels give the signs of CensusCost.

    Returns:
        (N, NUM_SIGNS, H, W) of the same dtype.
    """
    height, width = image.shape[2:]
    padded = F.pad(image, (RADIUS_X, RADIUS_X, RADIUS_Y, RADIUS_Y), mode='replicate')
    darker = [
        padded[..., i:i + height, j:j + width] < image
        for i in range(2 * RADIUS_Y + 1) for j in range(2 * RADIUS_X + 1)
        if (i, j) != (RADIUS_Y, RADIUS_X)]
    return torch.cat(darker, 1).to(image.dtype).mul_(2).sub_(1)


def grey_levels(image: Tensor) -> Tensor:
    """Convert (H, W, 3) uint8 RGB to (H, W) uint8 grey levels, rounded as in OpenCV."""
    red, green, blue = (
        weight * image[..., channel].int() for channel, weight in enumerate(_FIXED_GREY))
    rounded = red + green + blue + (1 << (_GREY_BITS - 1))
    return (rounded >> _GREY_BITS).to(torch.uint8)
