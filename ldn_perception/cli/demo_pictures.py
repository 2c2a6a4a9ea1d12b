# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a replay: what went in and what came out."""

from __future__ import annotations

import numpy as np

from ldn_perception.bags.stereo_sample import StereoSample
from ldn_perception.cli.picture_tiles import captioned
from ldn_perception.cli.recorded_results import RecordedResult
from ldn_perception.pictures import Picture, color_disparity, color_labels
from ldn_perception.taxonomy import Taxonomy


def draw(
    result: RecordedResult, sample: StereoSample, taxonomy: Taxonomy, max_disparity: float,
) -> Picture:
    """Left image, disparity, labels and overlay of one pair, two by two.

    Args:
        result: What the node published; a missing part stays black.
        sample: The pair.
        taxonomy: Gives the colours.
        max_disparity: Disparity of the warmest colour [px].

    Returns:
        (2 (H + 22), 2 W, 3) uint8 RGB.
    """
    black = np.zeros_like(sample.frame.left)
    images = result.images
    disparity = images.get('disparity')
    labels = images.get('labels')
    tiles = [
        ('left image', sample.frame.left),
        ('disparity', black if disparity is None else color_disparity(disparity, max_disparity)),
        ('labels', black if labels is None else color_labels(labels, taxonomy)),
        ('overlay, out of distribution is cyan', images.get('overlay', black)),
    ]
    drawn = [captioned(image, text) for text, image in tiles]
    return np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])
