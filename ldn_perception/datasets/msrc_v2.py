# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MSRC v2: photographs of animals, things and places."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles
from ldn_perception.taxonomy.msrc_v2 import MSRC_V2

LAYOUT = 'images/NAME.jpg and labels/NAME.png with the class number or palette index'


class MsrcV2(LabelledFiles):
    """Photographs of about 320×213 px with 23 classes.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth by name) or 'all'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Shotton et al., TextonBoost, ECCV 2006. The original photographs of streets belong to
    the driving world: leave them out of a foreign domain.
    """

    def __init__(self, root: Path, split: str) -> None:
        images = hold_out('MSRC v2', list_files(root, 'images/*.*', LAYOUT), split)
        labels = partners(images, lambda image: root / 'labels' / f'{image.stem}.png', LAYOUT)
        super().__init__(MSRC_V2, root, images, labels, IndexedLabels(
            {index + 1: index for index in range(len(MSRC_V2))}, {0},
            f'class numbers 1 to {len(MSRC_V2)} and 0 for void'))
