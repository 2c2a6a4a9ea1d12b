# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real stereo pairs without ground truth, with the disparity that matchers agree on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import list_files, partners, read_parsed, read_rgb
from ldn_perception.datasets.kitti_stereo import json_geometry
from ldn_perception.datasets.stereo_pairs import StereoPair
from ldn_perception.frames import StereoFrame
from ldn_perception.stereo.matcher import Matcher

LAYOUT = 'calib.json with left.png and right.png, or with image_l/NAME.png and image_r/NAME.png'
AGREEMENT_PX = 1.0
"""Largest difference between the disparities of two teachers."""


class AgreedPairs:
    """A drive, or a single pair, whose disparity is that of its teachers where they agree.

    Elsewhere it is unknown, as in everything that only one camera sees. Every pair is matched
    when it is asked for the first time, and kept.

    Args:
        root: Folder of the drive or the pair.
        teachers: Two matchers or more; the disparities are those of the first.

    Raises:
        DatasetError: A file is missing.
    """

    def __init__(self, root: Path, teachers: Sequence[Matcher]) -> None:
        self._teachers = teachers
        self._is_single = (root / 'left.png').is_file()
        self._lefts = list_files(
            root, 'left.png' if self._is_single else 'image_l/*.png', LAYOUT)
        self._calibration = root / 'calib.json'
        partners(self._lefts, self._right, LAYOUT)
        self._known: dict[int, StereoPair] = {}

    def __len__(self) -> int:
        return len(self._lefts)

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len).

        Raises:
            IndexError: There is no such pair.
            DatasetError: A file is missing or damaged.
            StereoError: A pair is narrower than a teacher's search.
        """
        if index not in self._known:
            self._known[index] = self._taught(index)
        return self._known[index]

    def _taught(self, index: int) -> StereoPair:
        path = self._lefts[index]
        left, right = read_rgb(path), read_rgb(self._right(path))
        geometry = read_parsed(
            self._calibration, json_geometry(left.shape[:2]),
            'JSON with fx, fy, cx, cy and baseline_m')
        frame = StereoFrame(index, 'left_camera', left, right, geometry)
        disparity = agreed_disparity(
            [teacher.match(frame).to_host() for teacher in self._teachers])
        return StereoPair(path.stem, frame, disparity, np.isfinite(disparity))

    def _right(self, left: Path) -> Path:
        if self._is_single:
            return left.with_name('right.png')
        return left.parents[1] / 'image_r' / left.name


def agreed_disparity(maps: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """First of some maps where none of the others differs.

    Args:
        maps: (H, W) float32 each [px], NaN where unknown.

    Returns:
        (H, W) float32 [px], NaN where any is unknown or differs by more than AGREEMENT_PX.
    """
    agrees = np.all([np.abs(other - maps[0]) <= AGREEMENT_PX for other in maps], axis=0)
    return np.where(agrees, maps[0], np.float32(np.nan))
