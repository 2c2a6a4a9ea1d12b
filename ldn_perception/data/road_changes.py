# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Changes of a road and its surroundings in an image."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_HORIZON = (0.15, 0.6)
"""Row where the road ends, as a share of the height."""

_WIDTH = (0.4, 2.0)
"""Of the road at the lower border, as a share of the width of the image, drawn log-uniformly."""

_BROWN = np.array([1.12, 1.0, 0.82])
_BROWN_SHARE = 0.4
_MARKED_SHARE = 0.5
_EDGE_SIGMA_PX = 0.8


def paint_road(
    image: NDArray[np.uint8], paintable: NDArray[np.bool_], random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Lay a road over the ground of a photograph, under what stands there.

    The road is plane, bent a little, narrower towards its end, of asphalt or earth, marked or
    not, as bright as the photograph allows.

    Args:
        image: (H, W, 3) uint8 RGB.
        paintable: (H, W) bool, True where the road may lie, such as on grass.
        random: All that is random comes from it.

    Returns:
        (H, W, 3) uint8 RGB, a new array; (H, W) bool, where the road is.

    Source: ours, in the spirit of domain randomisation (Tremblay et al., CVPRW 2018).
    """
    height, width = paintable.shape
    horizon = int(height * random.uniform(*_HORIZON))
    nearness = np.clip((np.arange(height) - horizon) / (height - horizon), 0, None)[:, None]
    end, start, bend = random.uniform((0.2, 0.2, -0.5), (0.8, 0.8, 0.5)) * width
    middle = end + (start - end) * nearness + bend * nearness * (1 - nearness)
    road_width = width * np.exp(random.uniform(*np.log(_WIDTH))) * nearness
    across = (np.arange(width)[None] - middle) / np.maximum(road_width, 1e-6)  # ±0.5: its edges
    road = paintable & (np.abs(across) < 0.5)
    painted = _surface(image, horizon, random) * _markings(across, nearness, random)[..., None]
    alpha = cv2.GaussianBlur(road.astype(np.float32), (0, 0), _EDGE_SIGMA_PX)[..., None]
    return np.rint(alpha * np.clip(painted, 0, 255) + (1 - alpha) * image).astype(np.uint8), road


def _surface(
    image: NDArray[np.uint8], horizon: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """(H, W, 3) RGB of the ground plane."""
    height, width = image.shape[:2]
    colour = image.mean() * np.exp(random.uniform(-0.6, 0.6) + random.normal(0, 0.05, 3))
    if random.random() < _BROWN_SHARE:
        colour = colour * _BROWN
    shade = np.zeros((height, width))
    for texel_px, deviation in ((np.exp(random.uniform(-0.4, 1.4)), random.uniform(0.02, 0.3)),
                                (np.exp(random.uniform(2, 3.5)), random.uniform(0, 0.15))):
        lying, nearness = lay_down(relief(random), height, width, horizon, texel_px)
        shade += deviation * nearness * lying
    surface: NDArray[np.float64] = np.exp(shade)[..., None] * colour
    return surface


def _markings(
    across: NDArray[np.float64], nearness: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """(H, W) gain of the light: above 1 on the lines at the edges and in the middle."""
    gain = np.ones_like(across)
    if random.random() > _MARKED_SHARE:
        return gain
    half_width = random.uniform(0.006, 0.02)
    dashed = (random.uniform(2, 6) / np.maximum(nearness, 0.02)) % 1 < random.uniform(0.3, 1.0)
    lines = (np.abs(across) < half_width) & dashed
    if random.random() < 0.6:
        lines |= np.abs(np.abs(across) - random.uniform(0.4, 0.48)) < half_width
    gain[lines] = random.uniform(1.3, 2.2)
    return gain


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
    shaded = image * (1 + edge * (shade - 1)) + 0.5
    resurfaced: NDArray[np.uint8] = np.clip(shaded, 0, 255).astype(np.uint8)
    return resurfaced


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
    heights: NDArray[np.float32] = (noise / noise.std()).astype(np.float32)
    return heights


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


_LARGEST_ZOOM = 2.0


def replace_scenery(
    image: NDArray[np.uint8], replaceable: NDArray[np.bool_], photograph: NDArray[np.uint8],
    labels: NDArray[np.uint8], is_scenery: NDArray[np.bool_], random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
    """Hide what surrounds a road behind the trees, rocks, snow or water of a photograph.

    The photograph covers the whole image: sky stays above and ground below. Where it shows
    something that is no scenery, and where the image shows something that must stay, the image
    is left. So a network sees the nature of photographs beside roads, where it is not foreign.

    Args:
        image: (H, W, 3) uint8 RGB, with a road.
        replaceable: (H, W) bool, what of it may be hidden.
        photograph: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8 of the photograph.
        is_scenery: (256,) bool, True for the labels that hide.
        random: All that is random comes from it.

    Returns:
        (H, W, 3) uint8 RGB; (H, W) uint8, the labels of the photograph over the image; (H, W)
        bool, where they hold.

    Source: mixing by classes after Olsson et al., ClassMix, WACV 2021.
    """
    height, width = replaceable.shape
    seen, over = _cover(photograph, labels, height, width, random)
    hides = replaceable & is_scenery[over]
    alpha = cv2.GaussianBlur(hides.astype(np.float32), (0, 0), _EDGE_SIGMA_PX)[..., None]
    mixed = np.rint(alpha * seen + (1 - alpha) * image).astype(np.uint8)
    return mixed, over, hides


def _cover(
    photograph: NDArray[np.uint8], labels: NDArray[np.uint8], height: int, width: int,
    random: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A random part of a photograph and its labels, mirrored or not, as large as an image."""
    fit = max(height / labels.shape[0], width / labels.shape[1])
    part_height, part_width = (
        max(1, int(side / fit / random.uniform(1, _LARGEST_ZOOM))) for side in (height, width))
    top = random.integers(labels.shape[0] - part_height + 1)
    left = random.integers(labels.shape[1] - part_width + 1)
    part = np.s_[top:top + part_height, left:left + part_width]
    step = -1 if random.random() < 0.5 else 1
    seen = cv2.resize(photograph[part][:, ::step], (width, height), interpolation=cv2.INTER_LINEAR)
    over = cv2.resize(
        labels[part][:, ::step], (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(seen, np.uint8), np.asarray(over, np.uint8)
