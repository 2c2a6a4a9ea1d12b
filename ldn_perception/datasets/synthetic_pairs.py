# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic drives that were written as images, read back as pairs with exact disparity."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import (
    list_files,
    partners,
    read_parsed,
    read_rgb,
)
from ldn_perception.datasets.kitti_stereo import json_geometry, read_disparity
from ldn_perception.datasets.stereo_pairs import StereoPair
from ldn_perception.frames import StereoFrame

LAYOUT = ('[DRIVE/]calib.json and [DRIVE/]{left,right,disparity}/NAME.png, as '
          'ldn synthesize --images writes them')
_SAME_SURFACE_PX = 1.0


class SyntheticPairs:
    """Stereo pairs of one or more drives.

    Args:
        root: Folder of a drive, or of the folders of drives.

    Raises:
        DatasetError: A file is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        pattern = 'left/*.png' if (root / 'calib.json').is_file() else '*/left/*.png'
        self._lefts = list_files(root, pattern, LAYOUT)
        for folder in ('right', 'disparity'):
            partners(self._lefts, partial(_beside, folder), LAYOUT)
        partners(self._lefts, _calibration, LAYOUT)

    def __len__(self) -> int:
        return len(self._lefts)

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len), drive by drive.

        Raises:
            IndexError: There is no such pair.
            DatasetError: A file is damaged.
        """
        path = self._lefts[index]
        left = read_rgb(path)
        geometry = read_parsed(
            _calibration(path), json_geometry(left.shape[:2]),
            'JSON with fx, fy, cx, cy and baseline_m')
        right = read_rgb(_beside('right', path))
        disparity = read_disparity(_beside('disparity', path))
        return StereoPair(
            path.relative_to(self._root).with_suffix('').as_posix(),
            StereoFrame(index, 'left_camera', left, right, geometry), disparity,
            seen_by_right(disparity))


def seen_by_right(disparity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels of the left image that nothing hides from the right camera.

    Args:
        disparity: (H, W) float32 of the left image [px], NaN where unknown.

    Returns:
        (H, W) bool, False where the disparity is unknown or points outside of the right image,
        or where another pixel with at least 1 px more disparity falls on the same column.
    """
    height, width = disparity.shape
    known = np.isfinite(disparity)
    column = np.rint(np.arange(width) - np.where(known, disparity, 0)).astype(np.int64)
    known &= (column >= 0) & (column < width)
    place = np.arange(height)[:, None] * width + np.clip(column, 0, width - 1)
    nearest = np.full(height * width, -np.inf, np.float32)
    np.maximum.at(nearest, place[known], disparity[known])
    return known & (np.where(known, disparity, 0) > nearest[place] - _SAME_SURFACE_PX)


def _beside(folder: str, left: Path) -> Path:
    return left.parents[1] / folder / left.name


def _calibration(left: Path) -> Path:
    return left.parents[1] / 'calib.json'
