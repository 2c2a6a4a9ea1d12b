# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign things cut out of labelled photographs, to be pasted onto roads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.labelled_image import LabelledImage, LabelledImages
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.label_mapping import LabelMapping

MIN_SIDE_PX = 32
"""Shorter sides show no thing that one would know again."""

MAX_SIDE_PX = 256
"""Longer cut-outs are kept smaller: none is pasted larger."""

_MIN_FILL = 0.2
_MAX_HOLES = 0.1


@dataclass(frozen=True, slots=True)
class Cutout:
    """One thing and where it is in its crop.

    Attributes:
        image: (h, w, 3) uint8 RGB, the smallest box around the thing.
        mask: (h, w) bool, True on the thing.
        class_id: Its class in the dataset it is from.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    class_id: int


class ForeignCutouts:
    """Things of some classes, whole ones only, in memory.

    Left out are things at the border of their photograph, which have an edge that is none of
    theirs, small ones, thin ones, and ones with holes, where something else is before them.

    Args:
        dataset: Photographs; one with instances gives touching things one by one.
        class_names: Classes to cut out, see `foreign_things`.

    Raises:
        DatasetError: A class is not one of the dataset, or there is nothing to cut out.
    """

    def __init__(self, dataset: LabelledImages, class_names: Collection[str]) -> None:
        taxonomy = dataset.taxonomy
        strange = sorted(set(class_names) - set(taxonomy.class_names))
        if strange:
            raise DatasetError(
                'classes to cut out', must_be=f'of {taxonomy.name}', got=strange,
                do='check the spelling',
            )
        wanted = {index for index, name in enumerate(taxonomy.class_names) if name in class_names}
        self._by_class: dict[int, list[Cutout]] = {}
        for index in range(len(dataset)):
            for cutout in _cut_out(dataset[index], wanted):
                self._by_class.setdefault(cutout.class_id, []).append(cutout)
        if not self._by_class:
            raise DatasetError(
                'photographs to cut out of',
                must_be=f'with whole things of at least {MIN_SIDE_PX} px',
                got=f'none in {len(dataset)}', do='take others, or other classes',
            )

    def __len__(self) -> int:
        return sum(map(len, self._by_class.values()))

    def __iter__(self) -> Iterator[Cutout]:
        for cutouts in self._by_class.values():
            yield from cutouts

    def choose(self, rng: np.random.Generator) -> Cutout:
        """Any one thing; every class is as likely as any other, however many things it has."""
        cutouts = list(self._by_class.values())[int(rng.integers(len(self._by_class)))]
        return cutouts[int(rng.integers(len(cutouts)))]


def foreign_things(mapping: LabelMapping, things: Collection[str]) -> list[str]:
    """Classes of things that are foreign for certain.

    Args:
        mapping: Says which classes of a taxonomy with a driving domain a class stands for.
        things: Names of the classes that are countable things.
    """
    return [
        name for name, foreign in zip(
            mapping.source.class_names, mapping.foreign_labels, strict=True)
        if name in things and foreign
    ]


def _cut_out(sample: LabelledImage, wanted: set[int]) -> Iterator[Cutout]:
    for class_id in sorted(wanted & set(np.unique(sample.labels).tolist())):
        for mask in _things(sample, sample.labels == class_id):
            cutout = _crop(sample.image, mask, class_id)
            if cutout is not None:
                yield cutout


def _things(sample: LabelledImage, mask: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Masks of the single things of a class: instances where known, else what is connected."""
    if sample.instances is not None:
        numbers = np.where(mask, sample.instances, 0)
    else:
        numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
    for number in np.unique(numbers[numbers > 0]):
        yield numbers == number


def _crop(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], class_id: int
) -> Cutout | None:
    """Smallest box around a thing; None where the thing is not worth cutting out."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    at_border = (min(x, y) == 0 or x + width == mask.shape[1] or y + height == mask.shape[0])
    if at_border or min(width, height) < MIN_SIDE_PX:
        return None
    box = np.s_[y:y + height, x:x + width]
    if mask[box].mean() < _MIN_FILL or _share_of_holes(mask[box]) > _MAX_HOLES:
        return None
    scale = min(1.0, MAX_SIDE_PX / max(width, height))
    size = (round(width * scale), round(height * scale))
    return Cutout(
        np.asarray(cv2.resize(image[box], size, interpolation=cv2.INTER_AREA), np.uint8),
        cv2.resize(mask[box].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0,
        class_id)


def _share_of_holes(mask: NDArray[np.bool_]) -> float:
    """Pixels that the outline encloses but the mask leaves out, as a share of the outline's."""
    outlines = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    filled = cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    return 1.0 - float(mask.sum()) / float(filled.sum())
