# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""BDD100K: 8000 labelled frames of dashboard cameras, in all weathers and at night."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.label_ids import TRAIN_IDS
from ldn_perception.datasets.labelled_files import LabelledFiles, check_split
from ldn_perception.taxonomy.cityscapes import CITYSCAPES

LAYOUT = ('images/10k/{train,val}/NAME.jpg and labels/sem_seg/masks/{train,val}/NAME.png, or '
          'seg/images/{train,val}/NAME.jpg and seg/labels/{train,val}/NAME_train_id.png')
SPLITS = ('train', 'val')
"""The labels of its 2000 test images are not public."""


class Bdd100k(LabelledFiles):
    """Images of 1280×720 px with the 19 classes of Cityscapes.

    Args:
        root: Folder bdd100k.
        split: 'train' or 'val'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Yu et al., BDD100K, CVPR 2020.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('BDD100K', split, SPLITS)
        if (root / 'seg').is_dir():
            images = list_files(root, f'seg/images/{split}/*.jpg', LAYOUT)
            folder, ending = root / 'seg' / 'labels' / split, '_train_id.png'
        else:
            images = list_files(root, f'images/10k/{split}/*.jpg', LAYOUT)
            folder, ending = root / 'labels' / 'sem_seg' / 'masks' / split, '.png'
        labels = partners(images, lambda image: folder / f'{image.stem}{ending}', LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, TRAIN_IDS)
