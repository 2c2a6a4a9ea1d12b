# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of stereo pairs with ground truth, known by what is in them."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.kitti_stereo import KittiStereo, KittiStereoFolder
from ldn_perception.datasets.middlebury import Middlebury
from ldn_perception.datasets.stereo_pairs import StereoPairs
from ldn_perception.datasets.synthetic_pairs import SyntheticPairs


def open_stereo_folder(root: Path) -> StereoPairs:
    """Open a folder as what it looks like.

    Args:
        root: KITTI stereo (training/), one KITTI pair (disp_occ.png or disp_gt.png), drives as
            `ldn synthesize --images` writes them (disparity/), or else scenes of Middlebury.

    Raises:
        DatasetError: It is none of these, or files are missing.
    """
    if (root / 'training').is_dir():
        return KittiStereo(root)
    if any((root / name).is_file() for name in ('disp_occ.png', 'disp_gt.png')):
        return KittiStereoFolder(root)
    if (root / 'disparity').is_dir() or any(root.glob('*/disparity')):
        return SyntheticPairs(root)
    return Middlebury(root)
