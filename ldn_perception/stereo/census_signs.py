# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Census codes as vectors, on any device of torch: the sign of every comparison.

The product of two of them is the number of bits less twice the Hamming distance of `CensusCost`,
which has the source.
"""

from __future__ import annotations

import torch
from torch import Tensor
import torch.nn.functional as F

RADIUS_X, RADIUS_Y = 5, 2
"""Pixels on each side of its own that a code compares: those of CensusCost by default."""

NUM_SIGNS = (2 * RADIUS_X + 1) * (2 * RADIUS_Y + 1) - 1
"""Comparisons of a pixel."""

_GREY = (9798, 19235, 3735)  # 32768ths of ITU-R BT.601, as OpenCV rounds them
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
        weight * image[..., channel].int() for channel, weight in enumerate(_GREY))
    rounded = red + green + blue + (1 << (_GREY_BITS - 1))
    return (rounded >> _GREY_BITS).to(torch.uint8)
