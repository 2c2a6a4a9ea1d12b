# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets of synthetic drives written as images."""

from __future__ import annotations

from functools import partial
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import (
    hold_out,
    list_files,
    partners,
    read_parsed,
    read_plane,
    read_rgb,
)
from ldn_perception.data.kitti import json_geometry, read_disparity
from ldn_perception.data.labelled_images import TRAIN_IDS, LabelledImage
from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.driving import SYNTHETIC_DRIVE
from ldn_perception.types import StereoFrame

IMAGES_LAYOUT = (
    '[DRIVE/]calib.json and [DRIVE/]{left,disparity,labels,foreign}/NAME.png, as '
    'ldn synthesize --images writes them')
DISPARITY_SCALE = 256
_FOREIGN_OBJECT = SYNTHETIC_DRIVE.class_names.index('foreign object')


class SyntheticImages:
    """Left images of synthetic drives, with 19 driving classes and the foreign class.

    The apparent size of a metre comes from the rendered disparity, not from a matcher.

    Args:
        root: Folder of a drive, or parent folder of drives.
        split: 'train', 'val' (every fifth drive by name; drives are not divided, since their
            frames are similar) or 'all'.

    Raises:
        DatasetError: The split is unknown, or a file is missing or damaged.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.taxonomy = SYNTHETIC_DRIVE
        self._root = root
        alone = (root / 'calib.json').is_file()
        found = list_files(root, 'calib.json' if alone else '*/calib.json', IMAGES_LAYOUT)
        self._images: list[Path] = []
        self._baselines_m: dict[Path, float] = {}
        for calibration in hold_out(f'drives in {root}', found, split):
            drive = calibration.parent
            self._images += list_files(drive, 'left/*.png', IMAGES_LAYOUT)
            self._baselines_m[drive] = _baseline_m(calibration)
        for folder in ('disparity', 'labels', 'foreign'):
            partners(self._images, partial(_beside, folder=folder), IMAGES_LAYOUT)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, its labels and the apparent size of a metre.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        image = self._images[index]
        foreign = read_plane(_beside(image, 'foreign'), np.uint8, '0 or 255 for a foreign object')
        labels = TRAIN_IDS(_beside(image, 'labels'))
        if foreign.shape != labels.shape:
            raise DatasetError(
                f'foreign objects of {image}', must_be=f'{labels.shape} as its labels',
                got=foreign.shape, do='write the drive again', reason='size_mismatch',
            )
        labels[foreign > 0] = _FOREIGN_OBJECT
        return LabelledImage(
            image.relative_to(self._root).with_suffix('').as_posix(), read_rgb(image), labels,
            self._pixels_per_metre(image))

    def _pixels_per_metre(self, image: Path) -> NDArray[np.float32]:
        """Disparity / baseline [px/m], NaN where unknown; the cameras of a drive are parallel."""
        steps = read_plane(
            _beside(image, 'disparity'), np.uint16, f'disparity * {DISPARITY_SCALE}, 0 = unknown')
        scale = DISPARITY_SCALE * self._baselines_m[image.parents[1]]
        return np.where(steps > 0, steps / scale, np.nan).astype(np.float32)


def _beside(image: Path, folder: str) -> Path:
    """Path of the same image name in another folder of the drive."""
    return image.parents[1] / folder / image.name


def _baseline_m(calibration: Path) -> float:
    baseline_m = read_parsed(
        calibration, lambda text: float(json.loads(text)['baseline_m']),
        'JSON with baseline_m [m]')
    if not 0 < baseline_m < float('inf'):
        raise DatasetError(
            f'baseline_m in {calibration}', must_be='> 0 [m]', got=baseline_m,
            do='write the drive again', reason='calibration',
        )
    return baseline_m


PAIRS_LAYOUT = (
    '[DRIVE/]calib.json and [DRIVE/]{left,right,disparity}/NAME.png, as '
    'ldn synthesize --images writes them')
_SAME_SURFACE_PX = 1.0


class SyntheticPairs:
    """Stereo pairs of synthetic drives.

    Args:
        root: Folder of a drive, or parent folder of drives.

    Raises:
        DatasetError: A file is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        pattern = 'left/*.png' if (root / 'calib.json').is_file() else '*/left/*.png'
        self._lefts = list_files(root, pattern, PAIRS_LAYOUT)
        for folder in ('right', 'disparity'):
            partners(self._lefts, partial(_pair_file, folder), PAIRS_LAYOUT)
        partners(self._lefts, _calibration, PAIRS_LAYOUT)

    def __len__(self) -> int:
        return len(self._lefts)

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len), drive by drive.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is damaged.
        """
        path = self._lefts[index]
        left = read_rgb(path)
        geometry = read_parsed(
            _calibration(path), json_geometry(left.shape[:2]),
            'JSON with fx, fy, cx, cy and baseline_m')
        right = read_rgb(_pair_file('right', path))
        disparity = read_disparity(_pair_file('disparity', path))
        return StereoPair(
            path.relative_to(self._root).with_suffix('').as_posix(),
            StereoFrame(index, 'left_camera', left, right, geometry), disparity,
            seen_by_right(disparity))


def seen_by_right(disparity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels of the left image that are visible to the right camera.

    Args:
        disparity: (H, W) float32 of the left image [px], NaN where unknown.

    Returns:
        (H, W) bool, False where the disparity is unknown or points outside the right image, or
        where a pixel with at least 1 px more disparity maps to the same column.
    """
    height, width = disparity.shape
    known = np.isfinite(disparity)
    column = np.rint(np.arange(width) - np.where(known, disparity, 0)).astype(np.int64)
    known &= (column >= 0) & (column < width)
    place = np.arange(height)[:, None] * width + np.clip(column, 0, width - 1)
    nearest = np.full(height * width, -np.inf, np.float32)
    np.maximum.at(nearest, place[known], disparity[known])
    is_seen: NDArray[np.bool_] = known & (
        np.where(known, disparity, 0) > nearest[place] - _SAME_SURFACE_PX)
    return is_seen


def _pair_file(folder: str, left: Path) -> Path:
    return left.parents[1] / folder / left.name


def _calibration(left: Path) -> Path:
    return left.parents[1] / 'calib.json'
