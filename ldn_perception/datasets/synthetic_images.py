# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Synthetic drives that were written as images, read back with exact labels and depth."""

from __future__ import annotations

from functools import partial
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import (
    list_files,
    partners,
    read_parsed,
    read_plane,
    read_rgb,
)
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.label_ids import TRAIN_IDS
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.synthetic_drive import SYNTHETIC_DRIVE

LAYOUT = ('[DRIVE/]calib.json and [DRIVE/]{left,disparity,labels,foreign}/NAME.png, as '
          'ldn synthesize --images writes them')
DISPARITY_SCALE = 256
_FOREIGN_OBJECT = SYNTHETIC_DRIVE.class_names.index('foreign object')


class SyntheticImages:
    """Left images of one or more drives, with 19 driving classes and the foreign object.

    The apparent size of a metre comes from the rendered disparity, not from a matcher.

    Args:
        root: Folder of a drive, or of the folders of drives.
        split: 'train', 'val' (every fifth drive by name, whole: the frames of a drive are alike)
            or 'all'.

    Raises:
        DatasetError: There is no such split, or a file is missing or damaged.
    """

    def __init__(self, root: Path, split: str) -> None:
        self.taxonomy = SYNTHETIC_DRIVE
        self._root = root
        alone = (root / 'calib.json').is_file()
        found = list_files(root, 'calib.json' if alone else '*/calib.json', LAYOUT)
        self._images: list[Path] = []
        self._baselines_m: dict[Path, float] = {}
        for calibration in hold_out(f'drives in {root}', found, split):
            drive = calibration.parent
            self._images += list_files(drive, 'left/*.png', LAYOUT)
            self._baselines_m[drive] = _baseline_m(calibration)
        for folder in ('disparity', 'labels', 'foreign'):
            partners(self._images, partial(_beside, folder=folder), LAYOUT)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, its labels and the apparent size of a metre.

        Raises:
            IndexError: There is no such image.
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
        """Disparity by baseline [px/m], NaN where unknown; the cameras of a drive are parallel."""
        steps = read_plane(
            _beside(image, 'disparity'), np.uint16, f'disparity * {DISPARITY_SCALE}, 0 = unknown')
        scale = DISPARITY_SCALE * self._baselines_m[image.parents[1]]
        return np.where(steps > 0, steps / scale, np.nan).astype(np.float32)


def _beside(image: Path, folder: str) -> Path:
    """The image of the same name in another folder of its drive."""
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
