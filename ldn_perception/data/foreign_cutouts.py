# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Foreign objects cut out of photographs and pasted onto roads.

A photograph of a room teaches that rooms are foreign. A sheep on a road is a foreign object in a
driving scene.

Source: Bevandić et al., Simultaneous semantic segmentation and outlier detection in presence of
domain shift, GCPR 2019, who paste whole boxes into the training images. Objects cut along their
outline leave no straight edges to learn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.labelled_images import LabelledImage, LabelledImages
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.taxonomy import LabelMapping

MIN_SIDE_PX = 32
"""Minimum side of a cut-out; smaller objects are not recognisable."""

MAX_SIDE_PX = 256
"""Maximum stored side of a cut-out; no object is pasted larger."""

_MIN_FILL = 0.2
_MAX_HOLES = 0.1


@dataclass(frozen=True, slots=True)
class Cutout:
    """Cut-out of one object.

    Attributes:
        image: (h, w, 3) uint8 RGB, the bounding box of the object.
        mask: (h, w) bool, True on the object.
        class_id: Class id in the source dataset.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    class_id: int


class ForeignCutouts:
    """Complete objects of given classes, in memory.

    Excluded are objects at the image border (cut off), small ones, thin ones, and ones with holes
    (occluded by another object).

    Args:
        dataset: Photographs; with instances, touching objects are separated.
        class_names: Classes to cut out, see `foreign_things`.

    Raises:
        DatasetError: A class is not in the dataset, or there is nothing to cut out.
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
        """Draw an object; classes are equally likely, whatever their number of objects."""
        cutouts = list(self._by_class.values())[int(rng.integers(len(self._by_class)))]
        return cutouts[int(rng.integers(len(cutouts)))]


def foreign_things(mapping: LabelMapping, things: Collection[str]) -> list[str]:
    """Classes of objects that are certainly foreign.

    Args:
        mapping: Mapping to a taxonomy with a driving domain.
        things: Names of the countable classes.
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
    """Masks of the objects of a class: instances if known, else connected components."""
    if sample.instances is not None:
        numbers = np.where(mask, sample.instances, 0)
    else:
        numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[1]
    for number in np.unique(numbers[numbers > 0]):
        yield numbers == number


def _crop(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], class_id: int
) -> Cutout | None:
    """Bounding-box crop of an object; None if the object is not usable."""
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
    """Area of holes divided by the area inside the outline."""
    outlines = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    filled = cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    return 1.0 - float(mask.sum()) / float(filled.sum())


_HEIGHTS = (0.06, 0.5)
"""Height of a pasted object as a share of the image height, drawn log-uniformly."""

_MAX_ENLARGEMENT = 2.0
_MATCH = (0.2, 0.7)
"""Blend factor from the object's light to that of its surroundings, drawn uniformly."""

_CONTRAST = (0.6, 1.6)
_EDGE_SIGMA_PX = 0.8


@dataclass(frozen=True, slots=True)
class Paste:
    """Image with a pasted object.

    Attributes:
        image: (H, W, 3) uint8 RGB, a new array.
        mask: (H, W) bool, True where the object covers the image; the caller updates the labels.
        class_id: Class id of the object in the taxonomy of its cut-out.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    class_id: int


def paste_foreign(
    image: NDArray[np.uint8], cutouts: ForeignCutouts, rng: np.random.Generator,
    ground: NDArray[np.bool_] | None = None,
) -> Paste:
    """Paste an object at a random size, randomly mirrored and lit like its surroundings.

    Args:
        image: (H, W, 3) uint8 RGB.
        cutouts: Objects to choose from.
        rng: Random generator.
        ground: (H, W) bool, True where an object may stand, e.g. on the road; without any such
            pixel, it is placed anywhere in the lower half.
    """
    cutout = cutouts.choose(rng)
    thing, alpha = _resize(cutout, image.shape[0], rng)
    foot = _foot(image.shape[:2], ground, rng)
    place, part = _overlap(image.shape[:2], alpha.shape, foot)
    lit = _relight(thing[part], alpha[part], image[_around(place)], rng)
    weight = alpha[part][..., None]
    pasted = image.copy()
    pasted[place] = np.rint(weight * lit + (1 - weight) * image[place])
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[place] = alpha[part] > 0.5
    return Paste(pasted, mask, cutout.class_id)


def _resize(
    cutout: Cutout, image_height_px: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resized object, (h, w, 3) in [0, 255], and its alpha, (h, w) in [0, 1]."""
    height, width = cutout.mask.shape
    share = np.exp(rng.uniform(*np.log(_HEIGHTS)))
    scale = min(share * image_height_px / height, _MAX_ENLARGEMENT)
    size = (max(round(width * scale), 2), max(round(height * scale), 2))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    thing = cv2.resize(cutout.image.astype(np.float32), size, interpolation=interpolation)
    solid = cv2.resize(cutout.mask.astype(np.float32), size, interpolation=interpolation) > 0.5
    if rng.random() < 0.5:
        thing, solid = thing[:, ::-1], solid[:, ::-1]
    return np.asarray(thing, np.float32), _soft_edge(solid)


def _soft_edge(solid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Alpha of a mask: eroded by one pixel, since outlines are drawn wide, and blurred."""
    padded = np.pad(solid.astype(np.float32), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8))
    return cv2.GaussianBlur(eroded, (0, 0), _EDGE_SIGMA_PX)[1:-1, 1:-1].astype(np.float32)


def _foot(
    shape: tuple[int, ...], ground: NDArray[np.bool_] | None, rng: np.random.Generator
) -> tuple[int, int]:
    """Row and column of the middle of the object's lower edge."""
    if ground is not None and ground.any():
        places = np.flatnonzero(ground)
        row, column = np.unravel_index(places[rng.integers(len(places))], shape)
        return int(row), int(column)
    return int(rng.integers(shape[0] // 2, shape[0])), int(rng.integers(shape[1]))


def _overlap(
    shape: tuple[int, ...], size: tuple[int, ...], foot: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Slices of the object in the image, and of the part of the object inside the image."""
    top, left = foot[0] + 1 - size[0], foot[1] - size[1] // 2
    place, part = [], []
    for start, length, limit in zip((top, left), size, shape, strict=True):
        first, last = max(start, 0), min(start + length, limit)
        place.append(slice(first, last))
        part.append(slice(first - start, last - start))
    return (place[0], place[1]), (part[0], part[1])


def _around(place: tuple[slice, slice]) -> tuple[slice, slice]:
    """Region enlarged by half its size on each side."""
    rows, columns = (
        slice(max(side.start - (side.stop - side.start) // 2, 0),
              side.stop + (side.stop - side.start) // 2) for side in place)
    return rows, columns


def _relight(
    thing: NDArray[np.float32], alpha: NDArray[np.float32], around: NDArray[np.uint8],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Object with mean and contrast moved towards its surroundings, in [0, 255]."""
    inside = thing[alpha > 0.5]
    if not len(inside):
        return thing
    match = rng.uniform(*_MATCH)
    contrast = np.clip((around.std() + 1) / (inside.std() + 1), *_CONTRAST) ** match
    mean = inside.mean()
    shift = match * (around.mean() - mean)
    shaded = (thing - mean) * contrast + mean + shift
    relit: NDArray[np.float32] = np.clip(shaded, 0, 255).astype(np.float32)
    return relit
