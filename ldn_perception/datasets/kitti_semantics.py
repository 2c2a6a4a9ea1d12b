# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""KITTI 2015 semantics: frames of KITTI with the labels of Cityscapes."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.label_ids import LABEL_IDS
from ldn_perception.datasets.labelled_files import LabelledFiles
from ldn_perception.taxonomy.cityscapes import CITYSCAPES

LAYOUT = ('training/image_2/NAME.png and training/semantic/NAME.png, '
          'or images/NAME.jpg (or .png) and labelIds/NAME.png')


class KittiSemantics(LabelledFiles):
    """Left colour images of about 1242×375 px, with the 19 classes of Cityscapes.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth image) or 'all'; the 200 images of its own test split
            have no public labels.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Alhaija et al., Augmented reality meets computer vision, IJCV 2018.
    """

    def __init__(self, root: Path, split: str) -> None:
        public = (root / 'training').is_dir()
        found = list_files(root, 'training/image_2/*_10.png' if public else 'images/*.*', LAYOUT)
        images = hold_out('KITTI semantics', found, split)
        folder = root / ('training/semantic' if public else 'labelIds')
        labels = partners(images, lambda image: folder / f'{image.stem}.png', LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, LABEL_IDS)
