# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of disparities beside their errors, and the page that shows them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from ldn_perception.cli.picture_tiles import captioned
from ldn_perception.cli.stereo_evaluation import TABLE_WIDTH
from ldn_perception.datasets.stereo_pairs import StereoPair
from ldn_perception.frames import DisparityMap
from ldn_perception.pages import write_gallery
from ldn_perception.pictures import (
    ERROR_LEGEND,
    Picture,
    color_disparity,
    color_disparity_error,
)

TILE_WIDTH_PX = 480


def draw_pair(pair: StereoPair, found: DisparityMap, matcher: str) -> Picture:
    """Left image, disparity and its error, side by side.

    Args:
        pair: With its ground truth.
        found: What a matcher says.
        matcher: Its name.

    Returns:
        (h + 22, 3 * 480, 3) uint8 RGB.
    """
    disparity = found.to_host()
    known = pair.disparity[np.isfinite(pair.disparity)]
    warmest = float(known.max()) if known.size else found.max_disparity
    tiles = (
        (f'{pair.name}', pair.frame.left),
        (f'{matcher}: {100 * found.density:.1f} % known',
         color_disparity(disparity, warmest)),
        (f'error: {ERROR_LEGEND}', color_disparity_error(disparity, pair.disparity)),
    )
    return np.hstack([captioned(_resized(image), text) for text, image in tiles])


def _resized(image: Picture) -> Picture:
    height = max(1, round(image.shape[0] * TILE_WIDTH_PX / image.shape[1]))
    return np.asarray(cv2.resize(
        image, (TILE_WIDTH_PX, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def write_stereo_page(folder: Path, table: Table, pictures: dict[str, list[str]]) -> Path:
    """Write index.html, which needs the pictures beside it and nothing else.

    Args:
        folder: Where to; it exists.
        table: The scores.
        pictures: Names of the files in the folder pictures, by set.

    Returns:
        The page.
    """
    console = Console(width=TABLE_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    page = folder / 'index.html'
    write_gallery(
        page, 'Stereo matchers', captured.get(), list(pictures.items()),
        note=f'Error: {ERROR_LEGEND}, black without ground truth.')
    return page
