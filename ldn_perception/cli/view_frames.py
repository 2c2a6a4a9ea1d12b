# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video of results."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ldn_perception.cli.picture_tiles import captioned
from ldn_perception.cli.recorded_results import RecordedResult
from ldn_perception.errors import ConfigError
from ldn_perception.frames import UNLABELLED, Segmentation
from ldn_perception.pictures import Picture, color_disparity, overlay, paint_ood
from ldn_perception.taxonomy import Taxonomy

TILE_WIDTHS_PX = (320, 960)
"""Smallest and largest width of a tile; images between them keep theirs [px]."""

_DIMMED = 0.45


@dataclass(frozen=True, slots=True)
class ViewStyle:
    """The looks of a video.

    Attributes:
        taxonomy: Classes of the labels.
        max_disparity: Disparity of the warmest colour [px].
        overlay_opacity: Of the class colours over the image, in [0, 1].
    """

    taxonomy: Taxonomy
    max_disparity: float
    overlay_opacity: float


def draw_frame(image: Picture, result: RecordedResult, text: str, style: ViewStyle) -> Picture:
    """Left image, overlay, out-of-distribution mask and disparity, two by two below a caption.

    Args:
        image: (H, W, 3) uint8 RGB.
        result: Of this image, with labels; what else is missing stays black.
        text: ASCII caption.
        style: Colours.

    Returns:
        (H', W', 3) uint8 RGB with even sides.

    Raises:
        ConfigError: The labels are ids of another taxonomy.
    """
    labels = result.images['labels']
    _check_labels(labels, style.taxonomy)
    mask = result.images.get('ood_mask')
    segmentation = Segmentation(
        style.taxonomy.name, labels, None if mask is None else mask > 0)
    disparity = result.images.get('disparity')
    black = np.zeros_like(image)
    tiles = (
        ('left image', image),
        ('overlay', overlay(image, segmentation, style.taxonomy, style.overlay_opacity)),
        ('out of distribution', black) if mask is None else
        (f'out of distribution: {100 * float((mask > 0).mean()):.1f} % of the pixels',
         paint_ood(_dimmed(image), segmentation.ood_mask)),
        ('no disparity', black) if disparity is None else
        (f'disparity, 0 to {style.max_disparity:g} px',
         color_disparity(disparity, style.max_disparity)),
    )
    drawn = [captioned(_resized(tile), name) for name, tile in tiles]
    rows = np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])
    return pad_to_even(captioned(rows, text))


def _check_labels(labels: np.ndarray, taxonomy: Taxonomy) -> None:
    largest = int(labels[labels != UNLABELLED].max(initial=0))
    if largest >= len(taxonomy):
        raise ConfigError(
            'labels to view', must_be=f'below {len(taxonomy)}, ids of {taxonomy.name}',
            got=largest, do='name the class list they were predicted with by --taxonomy')


def _dimmed(image: Picture) -> Picture:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * np.float32(_DIMMED)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _resized(image: Picture) -> Picture:
    height, width = image.shape[:2]
    target = int(np.clip(width, *TILE_WIDTHS_PX))
    if target == width:
        return image
    return np.asarray(cv2.resize(
        image, (target, max(1, round(height * target / width))),
        interpolation=cv2.INTER_AREA if target < width else cv2.INTER_NEAREST), np.uint8)


def pad_to_even(image: Picture) -> Picture:
    """Pad a picture with black to even sides, as H.264 needs them."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)))
