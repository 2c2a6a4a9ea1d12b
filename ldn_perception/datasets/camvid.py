# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid: 701 frames of drives through Cambridge, in the split and classes of SegNet."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.taxonomy.camvid import CAMVID

LAYOUT = ('{train,val,test}/images/NAME.png (or .jpg) and {train,val,test}/labels/NAME.png, '
          'or {train,val,test}/NAME.png and {train,val,test}annot/NAME.png')
SPLITS = {
    'train': ('train',),
    'val': ('val',),
    'test': ('test',),
    'trainval': ('train', 'val'),
}
"""Split -> folders. val is one clip that neighbours train: state results on test."""


class CamVid(LabelledFiles):
    """Frames of 480×360 px with 11 classes.

    Args:
        root: Folder that holds the folders of the splits.
        split: One of SPLITS.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Brostow et al., Segmentation and recognition using structure from motion point clouds,
    ECCV 2008; split of Badrinarayanan et al., SegNet, PAMI 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('CamVid', split, SPLITS)
        images, labels = [], []
        for part in SPLITS[split]:
            found, their_labels = _part_files(root, part)
            images += found
            labels += their_labels
        void = len(CAMVID)
        super().__init__(CAMVID, root, images, labels, IndexedLabels(
            {index: index for index in range(void)}, {void, 255},
            f'ids 0 to {void - 1} of the classes and {void} or 255 for void'))


def _part_files(root: Path, part: str) -> tuple[list[Path], list[Path]]:
    """Images of a folder, and their label images."""
    nested = not (root / f'{part}annot').is_dir()
    images = list_files(root, f'{part}/images/*.*' if nested else f'{part}/*.*', LAYOUT)
    folder = root / part / 'labels' if nested else root / f'{part}annot'
    return images, partners(images, lambda image: folder / f'{image.stem}.png', LAYOUT)
