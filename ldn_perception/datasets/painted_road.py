# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A road painted into a photograph that has none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.resurfacing import lay_down, relief

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
    return np.exp(shade)[..., None] * colour


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
