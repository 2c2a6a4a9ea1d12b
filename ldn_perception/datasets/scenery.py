# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The same road in other surroundings."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_LARGEST_ZOOM = 2.0
_EDGE_SIGMA_PX = 0.8


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
