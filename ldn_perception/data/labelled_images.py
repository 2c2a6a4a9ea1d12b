# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled image datasets: protocol, label readers and image selections."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import read_indices, read_rgb
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy import Taxonomy
from ldn_perception.taxonomy.driving import CITYSCAPES, LABEL_ID_TO_CLASS
from ldn_perception.taxonomy.everyday import FOREIGN_SCENE
from ldn_perception.types import UNLABELLED


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image with a class per pixel.

    Attributes:
        name: Unique within its dataset: path below the root, without suffix.
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8 class ids of the dataset's taxonomy, 255 = unlabelled.
        pixels_per_metre: (H, W) float32 apparent size of one metre [px/m], NaN where the depth is
            unknown; None if the dataset has no stereo.
        instances: (H, W) int32, 0 = no instance; None if the dataset has no instances.
        negative: True if the image is outside the world of the driving classes; void and foreign
            are then correct answers (WildDash).

    Raises:
        DatasetError: Shapes or types differ from the above.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pixels_per_metre: NDArray[np.float32] | None = None
    instances: NDArray[np.int32] | None = None
    negative: bool = False

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        for part, dtype, wanted in (
            ('image', np.uint8, (*shape, 3)), ('labels', np.uint8, shape),
            ('pixels_per_metre', np.float32, shape), ('instances', np.int32, shape),
        ):
            array = getattr(self, part)
            if array is not None and (array.shape != wanted or array.dtype != dtype):
                raise DatasetError(
                    f'{part} of {self.name}', must_be=f'{wanted} {np.dtype(dtype)}',
                    got=f'{array.shape} {array.dtype}',
                    do='check that image and labels belong together', reason='size_mismatch',
                )


class LabelledImages(Protocol):
    """Dataset of labelled images, read from disk one at a time.

    Attributes:
        taxonomy: Class list of the labels.
    """

    taxonomy: Taxonomy

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledImage:
        """Image at an index of [0, len).

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        ...


LabelReader = Callable[[Path], NDArray[np.uint8]]
"""Reader of a label image as (H, W) uint8 class ids of the dataset's taxonomy, 255 = unknown."""


class LabelledFiles:
    """Images with one label image each.

    Args:
        taxonomy: Class list of the labels.
        root: Folder of the dataset; image names are paths relative to it.
        images: Image files, in the order of the dataset.
        labels: Label file of each image.
        read_labels: Reader of the label files.
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
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        image, labels = self._images[index], self._labels[index]
        return LabelledImage(
            image.relative_to(self._root).with_suffix('').as_posix(),
            read_rgb(image), self._read_labels(labels), **self._beside(index),
        )

    def _beside(self, index: int) -> dict[str, Any]:
        """Optional LabelledImage fields of a subclass: all but image and labels."""
        return {}


class IndexedLabels:
    """Reader of label images with the dataset's own numbering.

    Args:
        classes: Class id by file id.
        void: File ids without a class.
        meaning: Content of a pixel, for the error.
    """

    def __init__(
        self, classes: dict[int, int], void: Collection[int], meaning: str,
    ) -> None:
        self._meaning = meaning
        self._table = np.full(256, UNLABELLED, np.uint8)
        self._table[list(classes)] = list(classes.values())
        self._known = np.isin(np.arange(256), [*classes, *void])

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read (H, W) uint8 class ids, 255 = unknown.

        Raises:
            DatasetError: The file is missing, of another format, or contains other ids.
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
    """Check that a dataset has a split.

    Raises:
        DatasetError: The split is unknown.
    """
    if split not in splits:
        raise DatasetError(
            f'split of {dataset}', must_be=f'one of {", ".join(splits)}', got=split,
            do='ask for one of these',
        )


_NUM_IDS = 34

LABEL_IDS = IndexedLabels(
    {label_id: int(LABEL_ID_TO_CLASS[label_id]) for label_id in range(_NUM_IDS)},
    {UNLABELLED}, f'Cityscapes label ids 0 to {_NUM_IDS - 1}, or 255 for a licence plate',
)
"""Reader of *labelIds* images: ids 0 to 33, of which 19 are evaluated."""

TRAIN_IDS = IndexedLabels(
    {index: index for index in range(len(CITYSCAPES))}, {UNLABELLED},
    f'Cityscapes train ids 0 to {len(CITYSCAPES) - 1}, or 255 for void',
)
"""Reader of *labelTrainIds* images: class ids and 255."""


SETTINGS = ('all', 'indoor', 'outdoor', 'road', 'roadless', 'open')

MIN_INDOOR_SHARE = 0.05
MAX_OUTDOOR_SHARE = 0.02
"""Maximum outdoor share of an indoor image, for windows and posters."""

MIN_ROAD_SHARE = 0.02
MIN_GROUND_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class SettingClasses:
    """Class names of a dataset that indicate the setting of an image.

    Attributes:
        indoor: Classes seen indoors, e.g. furniture.
        outdoor: Classes seen outdoors only, e.g. sky.
        road: Classes that vehicles and pedestrians move on.
        ground: Outdoor classes on the ground, e.g. grass.
    """

    indoor: Collection[str]
    outdoor: Collection[str]
    road: Collection[str]
    ground: Collection[str]


class ImagesOfSetting:
    """Images of another dataset from one setting.

    | setting | condition |
    |---|---|
    | indoor | at least 5 % indoor classes, less than 2 % outdoor classes |
    | outdoor | not indoor |
    | road | at least 2 % road |
    | roadless | not road |
    | open | outdoor, and at least 12 % ground |

    The constructor reads every label image once.

    Args:
        dataset: Source images.
        setting: One of the settings above.
        classes: Class names that indicate the setting.

    Raises:
        DatasetError: A class is not in the dataset, no image matches, or a file is missing or
            damaged.
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
            IndexError: The index is out of range.
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


class WhollyForeign:
    """Images of another dataset with one foreign class for all pixels, including unlabelled ones.

    The thesis treats ScanNet and the negatives of the Robust Vision Challenge this way. It
    contradicts a class mapping of the same images, in which a tree stays a tree: use only one of
    the two.

    Args:
        dataset: Source images; their labels are dropped.

    Source: thesis section 5.3.
    """

    def __init__(self, dataset: LabelledImages) -> None:
        self.taxonomy = FOREIGN_SCENE
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image; all pixels have class 0, and it is marked negative.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        sample = self._dataset[index]
        return dataclasses.replace(
            sample, labels=np.zeros_like(sample.labels), instances=None, negative=True)
