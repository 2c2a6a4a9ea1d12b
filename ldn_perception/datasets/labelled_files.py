# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets that keep one label image beside each image."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import read_indices, read_rgb
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy import Taxonomy

LabelReader = Callable[[Path], NDArray[np.uint8]]
"""Reads a label image as (H, W) uint8 class ids of the dataset's taxonomy, 255 = unknown."""


class LabelledFiles:
    """Images with one label image each.

    Args:
        taxonomy: Classes of the labels.
        root: Folder of the dataset; images are named by their path below it.
        images: Images, in the order of the dataset.
        labels: Label image of each.
        read_labels: Reads a label image.
    """

    def __init__(
        self, taxonomy: Taxonomy, root: Path, images: Sequence[Path], labels: Sequence[Path],
        read_labels: LabelReader,
    ) -> None:
        self.taxonomy = taxonomy
        self._root = root
        self._images = images
        self._labels = labels
        self._read_labels = read_labels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image and its labels.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        image, labels = self._images[index], self._labels[index]
        return LabelledImage(
            image.relative_to(self._root).with_suffix('').as_posix(),
            read_rgb(image), self._read_labels(labels), **self._beside(index),
        )

    def _beside(self, index: int) -> dict[str, Any]:
        """Fields of a LabelledImage that a dataset has beside image and labels."""
        return {}


class IndexedLabels:
    """Reads label images whose pixels are ids of the dataset's own numbering.

    Args:
        classes: Id in the file -> class id.
        void: Ids in the file that name no class.
        meaning: What a pixel holds, for the error.
    """

    def __init__(
        self, classes: dict[int, int], void: Collection[int], meaning: str,
    ) -> None:
        self._meaning = meaning
        self._table = np.full(256, UNLABELLED, np.uint8)
        self._table[list(classes)] = list(classes.values())
        self._known = np.isin(np.arange(256), [*classes, *void])

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """(H, W) uint8 class ids, 255 = unknown.

        Raises:
            DatasetError: The file is missing, not such an image, or holds other ids.
        """
        indices = read_indices(path, self._meaning)
        strange = np.flatnonzero(np.bincount(indices.ravel(), minlength=256) * ~self._known)
        if strange.size:
            raise DatasetError(
                f'file {path}', must_be=self._meaning, got=f'the ids {strange.tolist()}',
                do='check that these are the labels of this dataset', reason='damaged',
            )
        return self._table[indices]


def check_split(dataset: str, split: str, splits: Iterable[str]) -> None:
    """Refuse a split that a dataset does not have.

    Raises:
        DatasetError: It does not have it.
    """
    if split not in splits:
        raise DatasetError(
            f'split of {dataset}', must_be=f'one of {", ".join(splits)}', got=split,
            do='ask for one of these',
        )
