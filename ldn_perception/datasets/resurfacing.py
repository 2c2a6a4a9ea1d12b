# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The same street with a road of another colour and roughness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_GAIN = 0.8
"""The logarithm of the brightness changes by up to this."""

TINT = 0.1
"""Standard deviation of the logarithms of the gains of red, green and blue."""

LARGEST_ROUGHNESS = 0.35
"""Standard deviation of the logarithm of what the relief adds, at most."""

_TILE_PX = 256
_FINEST_PX, _COARSEST_PX = 0.7, 4.0  # size of a texel at the bottom of the image
_SOFT_EDGE_PX = 1.0


def resurface(
    image: NDArray[np.uint8], ground: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Give the ground another brightness, tint and relief.

    A few hundred streets have few kinds of asphalt, and a network that knows a road by its asphalt
    takes gravel for something else. The relief lies in the plane of a level ground whose horizon
    is the highest row with ground; what was on the ground, such as markings, stays.

    Args:
        image: (H, W, 3) uint8 RGB.
        ground: (H, W) bool, True on the ground.
        random: All that is random comes from it.

    Returns:
        (H, W, 3) uint8 RGB; the image itself where it shows no ground.

    Source: ours, in the spirit of domain randomisation (Tremblay et al., CVPRW 2018).
    """
    gains = np.exp(random.uniform(-LARGEST_GAIN, LARGEST_GAIN) + random.normal(0, TINT, 3))
    roughness = random.uniform(0, LARGEST_ROUGHNESS)
    texel_px = np.exp(random.uniform(np.log(_FINEST_PX), np.log(_COARSEST_PX)))
    tile = relief(random)
    rows = np.flatnonzero(ground.any(axis=1))
    if not rows.size:
        return image
    lying, nearness = lay_down(tile, image.shape[0], image.shape[1], int(rows[0]), texel_px)
    shade = np.exp(roughness * nearness * lying)[..., None] * gains
    edge = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), _SOFT_EDGE_PX)[..., None]
    return np.clip(image * (1 + edge * (shade - 1)) + 0.5, 0, 255).astype(np.uint8)


def relief(random: np.random.Generator) -> NDArray[np.float32]:
    """Seamless noise of zero mean and unit deviation, from sand to cobbles.

    Args:
        random: All that is random comes from it.

    Returns:
        (256, 256) float32.
    """
    exponent = random.uniform(0.3, 1.3)
    frequency = np.hypot(np.fft.fftfreq(_TILE_PX)[:, None], np.fft.rfftfreq(_TILE_PX)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.standard_normal((_TILE_PX, _TILE_PX), np.float32))
    noise = np.fft.irfft2(spectrum * frequency ** -exponent)
    return (noise / noise.std()).astype(np.float32)


def lay_down(
    tile: NDArray[np.float32], height: int, width: int, horizon: int, texel_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Repeat a tile over a level plane below the horizon.

    Args:
        tile: (256, 256) float32, see `relief`.
        height: Of the image [px].
        width: Of the image [px].
        horizon: Row of the image in which the plane ends, above its lowest row.
        texel_px: Size of an element of the tile at the bottom of the image [px].

    Returns:
        (H, W) float32, the tile as it is seen; (H, 1) float64, how near each row is, in [0, 1].
    """
    below_px = np.maximum(np.arange(height) - horizon, 0)[:, None] + 1.0
    bottom_px = below_px[-1, 0]
    distance = bottom_px / below_px  # 1 at the bottom of the image
    across = (np.arange(width)[None] - width / 2) * distance / texel_px
    along = np.broadcast_to(bottom_px * distance / texel_px, across.shape)
    lying = cv2.remap(
        tile, (across % _TILE_PX).astype(np.float32), (along % _TILE_PX).astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(lying, np.float32), np.minimum(1.0, 2 * below_px / bottom_px)
