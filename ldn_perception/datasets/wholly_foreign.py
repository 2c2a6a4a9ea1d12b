# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A dataset whose every pixel is foreign, whatever it shows."""

from __future__ import annotations

import dataclasses

import numpy as np

from ldn_perception.datasets.labelled_image import LabelledImage, LabelledImages
from ldn_perception.taxonomy.foreign_scene import FOREIGN_SCENE


class WhollyForeign:
    """Images of another dataset, all of one foreign class, unlabelled pixels too.

    The thesis treats ScanNet and the negatives of the Robust Vision Challenge this way. It
    contradicts a mapping by classes of the same images, where a tree stays a tree: use one of
    both.

    Args:
        dataset: The images; their labels are dropped.

    Source: thesis section 5.3.
    """

    def __init__(self, dataset: LabelledImages) -> None:
        self.taxonomy = FOREIGN_SCENE
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, all of class 0 and a negative.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        sample = self._dataset[index]
        return dataclasses.replace(
            sample, labels=np.zeros_like(sample.labels), instances=None, negative=True)
