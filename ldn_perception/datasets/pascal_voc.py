# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC 2012, with its additional annotations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ldn_perception.datasets.dataset_files import list_files, partners, read_indices
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.datasets.list_file import read_list
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.pascal_voc import PASCAL_VOC

LAYOUT = ('JPEGImages/NAME.jpg, SegmentationClass/NAME.png and '
          'ImageSets/Segmentation/{train,val,trainval}.txt; '
          'SegmentationObject/NAME.png where there are instances; for trainaug also '
          'SegmentationClassAug/NAME.png and ImageSets/Segmentation/trainaug.txt')
SPLITS = {
    'train': 'SegmentationClass',
    'val': 'SegmentationClass',
    'trainval': 'SegmentationClass',
    'trainaug': 'SegmentationClassAug',
}
"""Split -> folder of its label images. trainaug has 10 582 images and none of val."""


class PascalVoc(LabelledFiles):
    """Photographs of about 500×375 px with 21 classes, and instances where the files are there.

    Args:
        root: Folder VOC2012.
        split: One of SPLITS.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Everingham et al., The Pascal visual object classes challenge, IJCV 2010; annotations
    of trainaug by Hariharan et al., Semantic contours from inverse detectors, ICCV 2011, as PNG.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('Pascal VOC', split, SPLITS)
        list_files(root, 'JPEGImages/*.jpg', LAYOUT)
        names = read_list(root / 'ImageSets' / 'Segmentation' / f'{split}.txt', LAYOUT)
        images = partners(
            [root / 'JPEGImages' / f'{Path(name).stem}.jpg' for name in names],
            lambda path: path, LAYOUT)
        labels = partners(images, lambda path: root / SPLITS[split] / f'{path.stem}.png', LAYOUT)
        super().__init__(PASCAL_VOC, root, images, labels, IndexedLabels(
            {index: index for index in range(len(PASCAL_VOC))}, {UNLABELLED},
            f'palette indices 0 to {len(PASCAL_VOC) - 1} of the classes and 255 for void'))

    def _beside(self, index: int) -> dict[str, Any]:
        objects = self._root / 'SegmentationObject' / f'{self._images[index].stem}.png'
        if not objects.is_file():
            return {}
        numbers = read_indices(objects, 'object numbers and 255 for void').astype(np.int32)
        return {'instances': np.where(numbers == UNLABELLED, 0, numbers)}
