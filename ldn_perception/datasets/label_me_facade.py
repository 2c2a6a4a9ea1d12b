# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""LabelMeFacade: photographs of streets, taken by hand by day, at dusk and by night."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles
from ldn_perception.taxonomy.label_me_facade import LABEL_ME_FACADE

LAYOUT = 'images/NAME.jpg (or .png) and labels/NAME.png of training ids'

_TRAIN_ID = {'road': 0, 'pavement': 1, 'building': 2, 'vegetation': 8, 'sky': 10, 'car': 13}
_LABELS = IndexedLabels(
    {_TRAIN_ID[name]: index for index, name in enumerate(LABEL_ME_FACADE.class_names)}, {255},
    f'training ids of Cityscapes {sorted(_TRAIN_ID.values())}, or 255 for everything else')


class LabelMeFacade(LabelledFiles):
    """Photographs of up to 384 px, with the classes of a street that the dataset has.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth image) or 'all'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Fröhlich, Rodner and Denzler, A Fast Approach for Pixelwise Labeling of Facade Images,
    ICPR 2010.
    """

    def __init__(self, root: Path, split: str) -> None:
        images = hold_out('LabelMeFacade', list_files(root, 'images/*.*', LAYOUT), split)
        labels = partners(images, lambda image: root / 'labels' / f'{image.stem}.png', LAYOUT)
        super().__init__(LABEL_ME_FACADE, root, images, labels, _LABELS)
