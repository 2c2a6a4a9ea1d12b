# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The indoor images of a dataset, or those that may be outdoor."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.labelled_image import LabelledImage, LabelledImages
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import Taxonomy

SETTINGS = ('all', 'indoor', 'outdoor')

MIN_INDOOR_SHARE = 0.05
MAX_OUTDOOR_SHARE = 0.02
"""What a window or a poster may show of the outside."""


class ImagesOfSetting:
    """Images of another dataset from one setting.

    An image is indoor for certain where at least 5 % of it are of classes seen indoors and less
    than 2 % of classes seen outdoors; any other counts as outdoor. Every label image is read once,
    when this is built.

    Args:
        dataset: The images.
        setting: 'indoor' or 'outdoor'.
        indoor_classes: Names of the classes that are seen indoors, such as the furniture.
        outdoor_classes: Names of the classes that are seen outdoors only, such as the sky.

    Raises:
        DatasetError: A class is not one of the dataset, no image is of the setting, or a file is
            missing or damaged.
    """

    def __init__(
        self, dataset: LabelledImages, setting: str, indoor_classes: Collection[str],
        outdoor_classes: Collection[str],
    ) -> None:
        self.taxonomy = dataset.taxonomy
        self._dataset = dataset
        indoor, outdoor = (
            _class_ids(self.taxonomy, names) for names in (indoor_classes, outdoor_classes))
        self._indices = [
            index for index in range(len(dataset))
            if _is_indoor(dataset[index].labels, indoor, outdoor) == (setting == 'indoor')]
        if not self._indices:
            raise DatasetError(
                f'{setting} images of {self.taxonomy.name}', must_be='one or more',
                got=f'none in {len(dataset)}', do='take another split, or the setting all',
            )

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        return self._dataset[self._indices[index]]


def _class_ids(taxonomy: Taxonomy, names: Collection[str]) -> list[int]:
    strange = sorted(set(names) - set(taxonomy.class_names))
    if strange:
        raise DatasetError(
            'classes of a setting', must_be=f'of {taxonomy.name}', got=strange,
            do='check the spelling',
        )
    return [taxonomy.class_names.index(name) for name in names]


def _is_indoor(
    labels: NDArray[np.uint8], indoor_ids: list[int], outdoor_ids: list[int]
) -> bool:
    return bool(
        np.isin(labels, indoor_ids).mean() >= MIN_INDOOR_SHARE
        and np.isin(labels, outdoor_ids).mean() < MAX_OUTDOOR_SHARE)
