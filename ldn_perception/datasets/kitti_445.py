# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The thesis' 445 labelled frames of KITTI odometry, with their reconstructed disparity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import list_files, partners, read_indices, read_rgb
from ldn_perception.datasets.labelled_files import LabelledFiles, check_split
from ldn_perception.errors import DatasetError
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.kitti11 import KITTI11

LAYOUT = ('{train,valid}/data/rgb/NAME.png, {train,valid}/labels/NAME.png in the class colours '
          'and, where there, {train,valid}/data/depth/NAME.png')
SPLITS = {'train': 'train', 'test': 'valid'}
"""399 images to train with and 46 to test with; the folder of the latter is named valid."""
BASELINE_M = 0.53715
"""Between the colour cameras; its calibrations of the sequences differ by less than 0.1 mm."""


class Kitti445(LabelledFiles):
    """Images of about 1241×376 px with 11 classes and the apparent size of one metre.

    The disparity images hold whole pixels in 8 bit, 0 = unknown.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'test'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: thesis section 3.3: 146 images of Ros et al., Vision-based offline-online perception
    paradigm for autonomous driving, WACV 2015, with better labels, and 299 more. The layout and
    the class colours are those that the authors' public code for the data reads.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('the KITTI set of 445 images', split, SPLITS)
        folder = root / SPLITS[split]
        images = list_files(root, f'{SPLITS[split]}/data/rgb/*.png', LAYOUT)
        labels = partners(images, lambda image: folder / 'labels' / image.name, LAYOUT)
        super().__init__(KITTI11, root, images, labels, read_colors)

    def _beside(self, index: int) -> dict[str, Any]:
        image = self._images[index]
        disparity = image.parent.parent / 'depth' / image.name
        if not disparity.is_file():
            return {}
        values = read_indices(disparity, 'disparity in whole pixels').astype(np.float32)
        values[values == 0] = np.nan
        return {'pixels_per_metre': values / np.float32(BASELINE_M)}


def read_colors(path: Path) -> NDArray[np.uint8]:
    """Class ids of a label image in the class colours, (H, W) uint8; black is unknown.

    Raises:
        DatasetError: The file is missing or damaged, or has another colour.
    """
    codes = _color_codes(read_rgb(path))
    table = {0: UNLABELLED, **{
        int(_color_codes(np.array(info.color))): index
        for index, info in enumerate(KITTI11.classes)}}
    found, places = np.unique(codes, return_inverse=True)
    strange = [f'#{code:06x}' for code in found.tolist() if code not in table]
    if strange:
        raise DatasetError(
            f'file {path}', must_be='of the 11 class colours and black', got=strange[:5],
            do='check that it was not resized or compressed', reason='damaged',
        )
    ids = np.array([table[code] for code in found.tolist()], np.uint8)
    return ids[places.reshape(codes.shape)]


def _color_codes(colors: NDArray[Any]) -> NDArray[np.int64]:
    """(..., 3) RGB as one number each."""
    return colors.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
