# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of Cityscapes squeezed to 256×256 px, with the 19 classes of its benchmark."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np

from ldn_perception.datasets.dataset_files import list_files, partners
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.taxonomy.cityscapes import CITYSCAPES

LAYOUT = '{train,val}/images/NAME.jpg (or .png) and {train,val}/labels/NAME.png'
SPLITS = ('train', 'val')
ASPECT_RATIO = 2.0
"""Width of a frame of Cityscapes over its height."""

TRAIN_IDS = IndexedLabels(
    {index: index for index in range(len(CITYSCAPES))}, {255},
    f'training ids 0 to {len(CITYSCAPES) - 1} of Cityscapes, or 255 for void')
"""Reader of label images of training ids."""


class Cityscapes256(LabelledFiles):
    """Whole frames, stretched to the shape that the camera saw: twice as wide as high.

    Colours are interpolated linearly, labels keep the nearest id.

    Args:
        root: Folder that holds the folders of the splits.
        split: One of SPLITS.

    Raises:
        DatasetError: There is no such split, or files are missing.

    Source: Cordts et al., The Cityscapes Dataset, CVPR 2016.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('cityscapes_256', split, SPLITS)
        images = list_files(root, f'{split}/images/*.*', LAYOUT)
        labels = partners(
            images, lambda image: root / split / 'labels' / f'{image.stem}.png', LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, TRAIN_IDS)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image and its labels, (H, 2 H).

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        sample = super().__getitem__(index)
        height = sample.image.shape[0]
        size = (round(ASPECT_RATIO * height), height)
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_LINEAR)
        labels = cv2.resize(sample.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return dataclasses.replace(
            sample, image=np.asarray(image, np.uint8), labels=np.asarray(labels, np.uint8))
