# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The images of a dataset from one setting: indoor or not, with a road or without, open land."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.labelled_image import LabelledImage, LabelledImages
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import Taxonomy

SETTINGS = ('all', 'indoor', 'outdoor', 'road', 'roadless', 'open')

MIN_INDOOR_SHARE = 0.05
MAX_OUTDOOR_SHARE = 0.02
"""What a window or a poster may show of the outside."""

MIN_ROAD_SHARE = 0.02
MIN_GROUND_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class SettingClasses:
    """Names of the classes of a dataset that tell where an image was taken.

    Attributes:
        indoor: Classes that are seen indoors, such as the furniture.
        outdoor: Classes that are seen outdoors only, such as the sky.
        road: What vehicles and pedestrians move on.
        ground: The outdoor classes that lie on the ground, such as grass.
    """

    indoor: Collection[str]
    outdoor: Collection[str]
    road: Collection[str]
    ground: Collection[str]


class ImagesOfSetting:
    """Images of another dataset from one setting.

    | setting | of an image |
    |---|---|
    | indoor | at least 5 % are of classes seen indoors, less than 2 % of those seen outdoors |
    | outdoor | any other |
    | road | at least 2 % are road |
    | roadless | any other |
    | open | outdoor, and at least 12 % lie on the ground |

    Every label image is read once, when this is built.

    Args:
        dataset: The images.
        setting: One of these.
        classes: What tells the setting.

    Raises:
        DatasetError: A class is not one of the dataset, no image is of the setting, or a file is
            missing or damaged.
    """

    def __init__(
        self, dataset: LabelledImages, setting: str, classes: SettingClasses
    ) -> None:
        self.taxonomy = dataset.taxonomy
        self._dataset = dataset
        indoor, outdoor, road, ground = (
            _class_ids(self.taxonomy, names)
            for names in (classes.indoor, classes.outdoor, classes.road, classes.ground))

        def is_of_setting(labels: NDArray[np.uint8]) -> bool:
            is_indoor = (
                _share(labels, indoor) >= MIN_INDOOR_SHARE
                and _share(labels, outdoor) < MAX_OUTDOOR_SHARE)
            shows_road = _share(labels, road) >= MIN_ROAD_SHARE
            return {
                'indoor': is_indoor, 'outdoor': not is_indoor,
                'road': shows_road, 'roadless': not shows_road,
                'open': not is_indoor and _share(labels, ground) >= MIN_GROUND_SHARE,
            }[setting]

        self._indices = [
            index for index in range(len(dataset)) if is_of_setting(dataset[index].labels)]
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


def _share(labels: NDArray[np.uint8], class_ids: list[int]) -> float:
    return float(np.isin(labels, class_ids).mean())
