# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Colour visualisation of results, captions and PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.taxonomy.driving import CITYSCAPES
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.types import Segmentation

OOD_COLOR = (0, 255, 255)
"""Colour of out-of-distribution pixels, RGB; no class uses it."""

SWITCH_COLORS = ((0, 0, 0), *(info.color for info in CITYSCAPES.classes[:8]))
"""Colours of the pyramid levels 0 to 8, RGB."""

ERROR_STEPS_PX = (1.0, 2.0, 3.0, 6.0)
"""Disparity errors at which the colour changes [px]."""

ERROR_COLORS = ((49, 104, 196), (116, 173, 209), (254, 224, 144), (244, 109, 67), (165, 0, 38))
"""Colours up to each of these steps and above the last one, RGB: blue is good, red is bad."""

ERROR_UNKNOWN_COLOR = (110, 110, 110)
"""Colour of pixels with ground truth but no disparity, RGB."""

ERROR_LEGEND = 'px: blue < 1 < 2 yellow < 3 orange < 6 red, grey: none'
"""Legend of the error colours [px]."""

_SPARSE = 0.5

Picture = NDArray[np.uint8]


def color_labels(labels: NDArray[np.uint8], taxonomy: Taxonomy) -> Picture:
    """Draw labels in the colours of their classes; unlabelled pixels are black.

    Args:
        labels: (H, W) uint8 ids of the taxonomy, 255 = unlabelled.
        taxonomy: Class list with colours.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    channels = [cv2.LUT(labels, taxonomy.palette[:, i]) for i in range(3)]
    return np.asarray(cv2.merge(channels), np.uint8)


def overlay(
    image: Picture, segmentation: Segmentation, taxonomy: Taxonomy, opacity: float,
) -> Picture:
    """Draw class colours over the camera image, out of distribution in cyan.

    Args:
        image: (H, W, 3) uint8 RGB.
        segmentation: Segmentation of this image; its mask is drawn if present.
        taxonomy: Class list with colours.
        opacity: Opacity of the colours, in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    colors = color_labels(segmentation.labels, taxonomy)
    blended = np.asarray(cv2.addWeighted(colors, opacity, image, 1 - opacity, 0), np.uint8)
    unlabelled = segmentation.labels >= len(taxonomy)
    blended[unlabelled] = image[unlabelled]
    return paint_ood(blended, segmentation.ood_mask)


def paint_ood(image: Picture, ood_mask: NDArray[np.bool_] | None) -> Picture:
    """Tint out-of-distribution pixels in place.

    Args:
        image: (H, W, 3) uint8 RGB, changed and returned.
        ood_mask: (H, W) bool, or None for no tint.
    """
    if ood_mask is not None and ood_mask.any():
        image[ood_mask] = image[ood_mask] // 3 + np.asarray(OOD_COLOR, np.uint8) // 3 * 2
    return image


def color_disparity(disparity: NDArray[np.float32], max_disparity: float) -> Picture:
    """Draw disparity in colours, warm is near; unknown pixels are black.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        max_disparity: Disparity of the warmest colour [px].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    share = np.nan_to_num(disparity / np.float32(max_disparity), nan=0.0)
    grey = np.clip(share * 255, 0, 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    colors[np.isnan(disparity)] = 0
    return np.asarray(colors, np.uint8)


def color_disparity_error(
    disparity: NDArray[np.float32], ground_truth: NDArray[np.float32],
) -> Picture:
    """Draw the disparity error in colour steps; see ERROR_LEGEND.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.
        ground_truth: (H, W) float32 [px], NaN where unknown; these pixels are black. Sparse
            ground truth (less than half of the pixels, as from a laser scanner) is drawn with
            enlarged pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    palette = np.array([*ERROR_COLORS, ERROR_UNKNOWN_COLOR, (0, 0, 0)], np.uint8)
    error = np.abs(disparity - ground_truth)
    step = np.searchsorted(ERROR_STEPS_PX, error)  # an error exactly at a step is below it
    step[np.isnan(disparity)] = len(ERROR_COLORS)
    step[np.isnan(ground_truth)] = len(ERROR_COLORS) + 1
    colors: NDArray[np.uint8] = palette[step]
    if np.isfinite(ground_truth).mean() < _SPARSE:
        colors = np.asarray(cv2.dilate(colors, np.ones((3, 3), np.uint8)), np.uint8)
    return colors


def color_switches(levels: NDArray[np.uint8]) -> Picture:
    """Draw scale selection switches as in Figure 3.2, the maps side by side.

    Legend: 0 black (the original image), 1 purple, 2 pink, 3 dark grey, 4 slate blue, 5 beige,
    6 light grey, 7 orange (the smallest image), 8 yellow, white above.

    Args:
        levels: (M, H, W) uint8, pyramid level of every pixel for each reference width.

    Returns:
        (H, M * W, 3) uint8 RGB, the reference widths from left to right.

    Source: thesis Figure 3.2; the colours are those of the authors' released code, where the
    levels use the palette of Cityscapes.
    """
    palette = np.full((256, 3), 255, np.uint8)
    palette[:len(SWITCH_COLORS)] = SWITCH_COLORS
    side_by_side = np.hstack(list(levels))
    channels = [cv2.LUT(side_by_side, palette[:, i]) for i in range(3)]
    return np.asarray(cv2.merge(channels), np.uint8)


_BAR_PX = 22


def captioned(image: Picture, text: str) -> Picture:
    """Add a dark bar with white text above an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        text: ASCII text; text that does not fit is cut off.

    Returns:
        (H + 22, W, 3) uint8 RGB.
    """
    bar = np.full((_BAR_PX, image.shape[1], 3), 32, np.uint8)
    cv2.putText(
        bar, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, image])


def write_picture(path: Path, picture: Picture) -> None:
    """Write a PNG file.

    Args:
        path: File to write.
        picture: (H, W, 3) uint8 RGB.

    Raises:
        OSError: The file cannot be written.
    """
    _, data = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())
