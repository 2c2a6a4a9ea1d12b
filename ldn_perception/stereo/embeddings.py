# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Vectors of the surroundings of every pixel: learned, and census signs.

Embedding: Source: Žbontar and LeCun, Stereo matching by training a convolutional neural network to
compare image patches, JMLR 2016, section 3.2, the fast architecture.

Census signs: The product of two of them is the number of bits less twice the Hamming distance of
`CensusCost`, which has the source.
"""


from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor, nn
import torch.nn.functional as F

EMBEDDING_NAME = 'patch_embedding'
"""Of the network, in its weights files."""

SCALE = 128
"""Length of the vectors as whole numbers."""

_LEAST_LENGTH = 1e-6
_LARGEST = 127  # of int8, but that its negative is in it too
_GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601
_LEAST_DEVIATION = 1.0  # grey levels; noise on a blank image is not blown up


class PatchEmbedding(nn.Module):
    """Convolutions of 3x3 without padding, each but the last before a ReLU.

    Args:
        num_maps: Length of the vectors.
        num_layers: Convolutions; each adds a pixel on every side to what a vector depends on.

    Attributes:
        num_maps: As given.
        radius: Pixels on every side of its own that a vector depends on, num_layers.
    """

    def __init__(self, num_maps: int = 32, num_layers: int = 5) -> None:
        super().__init__()
        self.num_maps, self.radius = num_maps, num_layers
        self.layers = nn.Sequential(*_layers(num_maps, num_layers))

    def forward(self, image: Tensor) -> Tensor:
        """Embed the pixels whose surroundings are inside of the images.

        Args:
            image: (N, 1, H, W) of floating point, see `standardise`.

        Returns:
            (N, num_maps, H - 2 radius, W - 2 radius) of the same type, of unit length.
        """
        features = self.layers(image)
        length = torch.linalg.vector_norm(
            features, dim=1, keepdim=True, dtype=torch.float32).clamp(min=_LEAST_LENGTH)
        unit: Tensor = features * length.reciprocal().to(features.dtype)
        return unit

    def embed(self, image: Tensor) -> Tensor:
        """Embed every pixel of an image; beyond the border the outermost pixels are repeated.

        Args:
            image: (H, W, 3) uint8 RGB on the device of the network.

        Returns:
            (H, W, num_maps) int8 on it, contiguous: SCALE times the vectors, rounded, and
            brought within [-127, 127].
        """
        weight = next(self.parameters())
        grey = F.pad(standardise(image)[None, None], (self.radius,) * 4, mode='replicate')
        batch = grey.to(weight.dtype).contiguous(memory_format=torch.channels_last)
        features = self.layers(batch)[0].permute(1, 2, 0).contiguous()
        # a product of matrices sums short vectors several times as fast as vector_norm
        length = (features.square() @ features.new_ones(self.num_maps)).float().sqrt_()
        features *= (SCALE / length.clamp_(min=_LEAST_LENGTH)).to(features.dtype)[..., None]
        embedding: Tensor = features.round_().clamp_(-_LARGEST, _LARGEST).to(torch.int8)
        return embedding


def standardise(image: Tensor) -> Tensor:
    """Grey levels with mean 0 and standard deviation 1.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (H, W) float32; all 0 for an image of one colour.
    """
    grey = image.float() @ _grey_weights(image.device)
    return (grey - grey.mean()) / grey.std(correction=0).clamp(min=_LEAST_DEVIATION)


@lru_cache(maxsize=8)
def _grey_weights(device: torch.device) -> Tensor:
    # an upload of its own for every image would make the host wait
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
"""Pixels on each side of its own that a code compares: those of CensusCost by default."""

NUM_SIGNS = (2 * RADIUS_X + 1) * (2 * RADIUS_Y + 1) - 1
"""Comparisons of a pixel."""

_FIXED_GREY = (9798, 19235, 3735)  # 32768ths of ITU-R BT.601, as OpenCV rounds them
_GREY_BITS = 15


def census_signs(image: Tensor) -> Tensor:
    """Whether each neighbour is darker (1) or not (-1); beyond the border pixels are repeated.

    Args:
        image: (N, 1, H, W) of floating point; of whole grey levels for the signs of CensusCost.

    Returns:
        (N, NUM_SIGNS, H, W) of the same type.
    """
    height, width = image.shape[2:]
    padded = F.pad(image, (RADIUS_X, RADIUS_X, RADIUS_Y, RADIUS_Y), mode='replicate')
    darker = [
        padded[..., i:i + height, j:j + width] < image
        for i in range(2 * RADIUS_Y + 1) for j in range(2 * RADIUS_X + 1)
        if (i, j) != (RADIUS_Y, RADIUS_X)]
    return torch.cat(darker, 1).to(image.dtype).mul_(2).sub_(1)


def grey_levels(image: Tensor) -> Tensor:
    """Grey levels as OpenCV rounds them, (H, W, 3) uint8 RGB to (H, W) uint8."""
    red, green, blue = (
        weight * image[..., channel].int() for channel, weight in enumerate(_FIXED_GREY))
    rounded = red + green + blue + (1 << (_GREY_BITS - 1))
    return (rounded >> _GREY_BITS).to(torch.uint8)
