# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ScanNet: frames of walks through rooms."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ldn_perception.datasets.dataset_files import list_files, partners, read_rgb
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.datasets.list_file import read_list
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.scannet import NYU40_IDS, SCANNET

LAYOUT = ('[scannet_frames_25k/]SCENE/color/NAME.jpg, [scannet_frames_25k/]SCENE/label/NAME.png '
          'and, for the splits train and val, scannetv2_{train,val}.txt with a scene a line')
SPLITS = ('train', 'val', 'all')

_NUM_NYU40 = 40


class ScanNet(LabelledFiles):
    """Every hundredth frame or so, with 20 classes.

    The colour camera has other pixels than the depth camera: where a frame has not the size of
    its labels, it is scaled to theirs.

    Args:
        root: Folder of the scenes, or the folder above it as the Robust Vision Challenge lays it
            out; the lists of the splits lie in either.
        split: 'train', 'val' or 'all'.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Dai et al., ScanNet, CVPR 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('ScanNet', split, SPLITS)
        nested = root / 'scannet_frames_25k'
        scenes = nested if nested.is_dir() else root
        images = list_files(scenes, 'scene*/color/*.jpg', LAYOUT)
        if split != 'all':
            wanted = set(read_list(_list_of(split, (scenes, root)), LAYOUT))
            images = [image for image in images if image.parents[1].name in wanted]
        if not images:
            raise DatasetError(
                f'dataset folder {scenes}', must_be=f'with scenes of the split {split}',
                got='none of them', do='unpack the scenes, or ask for the split all',
                reason='layout',
            )
        labels = partners(
            images, lambda image: image.parents[1] / 'label' / f'{image.stem}.png', LAYOUT)
        super().__init__(SCANNET, scenes, images, labels, IndexedLabels(
            {nyu40_id: index for index, nyu40_id in enumerate(NYU40_IDS)},
            set(range(_NUM_NYU40 + 1)) - set(NYU40_IDS), f'NYU40 ids 0 to {_NUM_NYU40}'))


    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image and its labels.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        path = self._images[index]
        image, labels = read_rgb(path), self._read_labels(self._labels[index])
        height, width = labels.shape
        if image.shape[:2] != labels.shape:
            image = np.asarray(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        name = path.relative_to(self._root).with_suffix('').as_posix()
        return LabelledImage(name, image, labels)


def _list_of(split: str, folders: tuple[Path, Path]) -> Path:
    """The list of a split, wherever it lies; in the last folder if it is missing."""
    found = [folder / f'scannetv2_{split}.txt' for folder in folders]
    return next((path for path in found if path.is_file()), found[-1])
