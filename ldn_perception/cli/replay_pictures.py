# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a replayed pair."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.bags.stereo_sample import StereoSample
from ldn_perception.cli.picture_tiles import captioned
from ldn_perception.frames import PerceptionResult
from ldn_perception.pictures import Picture, color_disparity, color_labels, overlay, paint_ood
from ldn_perception.taxonomy import Taxonomy

TILE_WIDTH_PX = 620


@dataclass(frozen=True, slots=True)
class PairPainter:
    """Draws four tiles of a pair, two by two.

    Attributes:
        taxonomy: Gives the colours.
        opacity: Of the overlay, in [0, 1].
        max_disparity: Disparity of the warmest colour [px].
    """

    taxonomy: Taxonomy
    opacity: float
    max_disparity: float

    def draw(self, sample: StereoSample, result: PerceptionResult) -> Picture:
        """Left image, overlay, foreign probability, and ground truth or else disparity.

        Args:
            sample: The pair and its ground truth.
            result: Of the pair, with mask and foreign probability.

        Returns:
            (H, W, 3) uint8 RGB; tiles are at most 620 px wide.
        """
        left, segmentation = sample.frame.left, result.segmentation
        assert segmentation.foreign_probability is not None
        tiles = [
            ('left image', left),
            ('overlay, out of distribution is cyan',
             overlay(left, segmentation, self.taxonomy, self.opacity)),
            ('foreign probability, 0 blue to 1 red',
             color_probability(segmentation.foreign_probability)),
            self._last_tile(sample, result),
        ]
        drawn = [captioned(_at_most(image, TILE_WIDTH_PX), text) for text, image in tiles]
        return np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])

    def _last_tile(self, sample: StereoSample, result: PerceptionResult) -> tuple[str, Picture]:
        if sample.labels is not None:
            truth = color_labels(sample.labels, self.taxonomy)
            return 'ground truth, foreign is cyan', paint_ood(truth, sample.foreign)
        if result.disparity is not None:
            disparity = result.disparity.to_host()
            return 'disparity, near is warm', color_disparity(disparity, self.max_disparity)
        return 'no ground truth', np.zeros_like(sample.frame.left)


def color_probability(probability: NDArray[np.float32]) -> Picture:
    """Probability as colours, blue to red.

    Args:
        probability: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    grey = np.clip(probability * np.float32(255), 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(grey, cv2.COLORMAP_TURBO)
    return np.asarray(cv2.cvtColor(colors, cv2.COLOR_BGR2RGB), np.uint8)


def _at_most(picture: Picture, width_px: int) -> Picture:
    height, width = picture.shape[:2]
    if width <= width_px:
        return picture
    size = width_px, round(height * width_px / width)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
