# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Image augmentations of roads and their surroundings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_HORIZON = (0.15, 0.6)
"""Row of the road's vanishing point, as a share of the image height."""

_WIDTH = (0.4, 2.0)
"""Road width at the lower border, as a share of the image width, drawn log-uniformly."""

_BROWN = np.array([1.12, 1.0, 0.82])
_BROWN_SHARE = 0.4
_MARKED_SHARE = 0.5
_EDGE_SIGMA_PX = 0.8


def paint_road(
    image: NDArray[np.uint8], paintable: NDArray[np.bool_], random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Paint a road on the ground of a photograph, behind objects that stand there.

    The road is plane, slightly curved and narrows towards its end. It is made of asphalt or earth,
    with or without markings, and as bright as the photograph allows.

    Args:
        image: (H, W, 3) uint8 RGB.
        paintable: (H, W) bool, True where the road may be painted, e.g. on grass.
        random: Random generator.

    Returns:
        (H, W, 3) uint8 RGB, a new array; (H, W) bool, True on the road.

    Source: ours, in the spirit of domain randomisation (Tremblay et al., CVPRW 2018).
    """
    height, width = paintable.shape
    horizon = int(height * random.uniform(*_HORIZON))
    nearness = np.clip((np.arange(height) - horizon) / (height - horizon), 0, None)[:, None]
    end, start, bend = random.uniform((0.2, 0.2, -0.5), (0.8, 0.8, 0.5)) * width
    middle = end + (start - end) * nearness + bend * nearness * (1 - nearness)
    road_width = width * np.exp(random.uniform(*np.log(_WIDTH))) * nearness
    across = (np.arange(width)[None] - middle) / np.maximum(road_width, 1e-6)  # edges at ±0.5
    road = paintable & (np.abs(across) < 0.5)
    painted = _surface(image, horizon, random) * _markings(across, nearness, random)[..., None]
    alpha = cv2.GaussianBlur(road.astype(np.float32), (0, 0), _EDGE_SIGMA_PX)[..., None]
    return np.rint(alpha * np.clip(painted, 0, 255) + (1 - alpha) * image).astype(np.uint8), road


def _surface(
    image: NDArray[np.uint8], horizon: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Road surface on the ground plane, (H, W, 3) RGB."""
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
    """Brightness gain, (H, W): above 1 on the edge lines and the centre line."""
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
"""Maximum change of the logarithm of the brightness."""

TINT = 0.1
"""Standard deviation of the logarithms of the gains of red, green and blue."""

LARGEST_ROUGHNESS = 0.35
"""Maximum standard deviation of the log-brightness relief."""

_TILE_PX = 256
_FINEST_PX, _COARSEST_PX = 0.7, 4.0  # size of a texel at the bottom of the image
_SOFT_EDGE_PX = 1.0


def resurface(
    image: NDArray[np.uint8], ground: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.uint8]:
    """Change brightness, tint and relief of the ground.

    A few hundred streets contain few kinds of asphalt. A network that recognises roads by their
    asphalt misclassifies gravel. The relief lies in the plane of level ground, whose horizon is
    the highest row with ground. Markings and other texture are kept.

    Args:
        image: (H, W, 3) uint8 RGB.
        ground: (H, W) bool, True on the ground.
        random: Random generator.

    Returns:
        (H, W, 3) uint8 RGB; the input array itself if it has no ground.

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
    """Seamless noise of zero mean and unit deviation, from sand-like to cobble-like.

    Args:
        random: Random generator.

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
    """Project a repeated tile onto a level plane below the horizon.

    Args:
        tile: (256, 256) float32, see `relief`.
        height: Image height [px].
        width: Image width [px].
        horizon: Row of the horizon, above the lowest image row.
        texel_px: Size of a tile element at the bottom of the image [px].

    Returns:
        (H, W) float32, the projected tile; (H, 1) float64, nearness of each row in [0, 1].
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
    """Replace the surroundings of a road by trees, rocks, snow or water of a photograph.

    The photograph covers the whole image, so sky stays above and ground below. Pixels are kept
    where the photograph shows no scenery or where the image must not be hidden. The network thus
    sees nature of photographs beside roads, where it is not foreign.

    Args:
        image: (H, W, 3) uint8 RGB, with a road.
        replaceable: (H, W) bool, True where the image may be hidden.
        photograph: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8 labels of the photograph.
        is_scenery: (256,) bool, True for labels that replace the image.
        random: Random generator.

    Returns:
        (H, W, 3) uint8 RGB; (H, W) uint8, the photograph's labels; (H, W) bool, True where the
        image was replaced.

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
    """Random crop of a photograph and its labels, randomly mirrored, at image size."""
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
