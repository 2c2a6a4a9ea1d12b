# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""IDD Lite: frames of Indian roads with seven groups of classes."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.taxonomy.idd_lite import IDD_LITE

LAYOUT = ('leftImg8bit/{train,val}/DRIVE/NAME_image.jpg and gtFine/{train,val}/DRIVE/'
          'NAME_label.png, or images/NAME.jpg (or .png) and labels/NAME.png')
PUBLISHED_SPLITS = ('train', 'val')

_LABELS = IndexedLabels(
    {index: index for index in range(len(IDD_LITE))}, {255},
    f'ids 0 to {len(IDD_LITE) - 1} of the groups, or 255 for void')


class IddLite(LabelledFiles):
    """Frames of 320×227 px.

    Args:
        root: Folder of the dataset as published, or of one folder each of images and labels.
        split: 'train' or 'val' of the published folders; of a single folder 'train', 'val' (every
            fifth image) or 'all'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Mishra et al., Semantic Segmentation Datasets for Resource Constrained Training,
    NCVPRIPG 2019.
    """

    def __init__(self, root: Path, split: str) -> None:
        if (root / 'leftImg8bit').is_dir():
            check_split('IDD Lite', split, PUBLISHED_SPLITS)
            images = list_files(root, f'leftImg8bit/{split}/*/*_image.*', LAYOUT)
            labels = partners(images, lambda image: _published_labels(root, split, image), LAYOUT)
        else:
            images = hold_out('IDD Lite', list_files(root, 'images/*.*', LAYOUT), split)
            labels = partners(images, lambda image: root / 'labels' / f'{image.stem}.png', LAYOUT)
        super().__init__(IDD_LITE, root, images, labels, _LABELS)


def _published_labels(root: Path, split: str, image: Path) -> Path:
    name = image.stem.removesuffix('_image')
    return root / 'gtFine' / split / image.parent.name / f'{name}_label.png'
