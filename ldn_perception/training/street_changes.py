# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a training changes in the images it shows: their road, surroundings and things."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.foreign_cutouts import ForeignCutouts, paste_foreign
from ldn_perception.data.labelled_images import LabelledImages
from ldn_perception.data.road_changes import paint_road, replace_scenery, resurface

Source = TypeVar('Source')

MOST_PASTED = 3
"""Foreign things in an image that gets some, at most."""


_Changed = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Image and targets."""


class _Street(NamedTuple):
    image: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class StreetChange(ABC):
    """A change of some of the images of a domain.

    The size of a metre in the pixels of what is new stays that of what it hides.

    Attributes:
        share: Part of the images that change, in [0, 1].
    """

    share: float

    @final
    def apply(
        self, image: NDArray[np.uint8], targets: NDArray[np.uint8], labels: NDArray[np.uint8],
        random: np.random.Generator,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Change an image, or leave it.

        Args:
            image: (H, W, 3) uint8 RGB.
            targets: (H, W) uint8, the set of each pixel, see `LabelSets`.
            labels: (H, W) uint8, the label of each pixel before any change.
            random: All that is random comes from it.

        Returns:
            Image and targets, new arrays where they differ.

        Raises:
            DatasetError: A file that the change needs is missing or damaged.
        """
        if random.random() >= self.share:
            return image, targets
        return self._change(_Street(image, targets, labels), random)

    @abstractmethod
    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        """Change an image for certain."""


@dataclass(frozen=True)
class Resurfacing(StreetChange):
    """Another surface for roads.

    Attributes:
        road: (256,) bool, labels of the domain whose surface changes.
    """

    road: NDArray[np.bool_]

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        return resurface(street.image, self.road[street.labels], random), street.targets


class ScenerySource(NamedTuple):
    """Photographs with nature in them.

    Attributes:
        photographs: The dataset.
        targets: (256,) uint8, label -> number of its set.
        is_scenery: (256,) bool, labels of what may surround a road.
    """

    photographs: LabelledImages
    targets: NDArray[np.uint8]
    is_scenery: NDArray[np.bool_]


@dataclass(frozen=True)
class SceneryChange(StreetChange):
    """Other surroundings for streets.

    Attributes:
        sources: Where the scenery is from; each is as likely as it has photographs.
        replaceable: (256,) bool, labels of the domain that scenery may hide.
    """

    sources: Sequence[ScenerySource]
    replaceable: NDArray[np.bool_]

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        source = _draw(self.sources, [len(each.photographs) for each in self.sources], random)
        photograph = source.photographs[int(random.integers(len(source.photographs)))]
        image, over, hides = replace_scenery(
            street.image, self.replaceable[street.labels], photograph.image, photograph.labels,
            source.is_scenery, random)
        return image, np.where(hides, source.targets[over], street.targets)


@dataclass(frozen=True)
class RoadPainting(StreetChange):
    """Roads for photographs that have none.

    Attributes:
        paintable: (256,) bool, labels of the domain over which a road may lie.
        target: Number of the set of a road.
    """

    paintable: NDArray[np.bool_]
    target: int

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        image, road = paint_road(street.image, self.paintable[street.labels], random)
        return image, np.where(road, np.uint8(self.target), street.targets)


class CutoutSource(NamedTuple):
    """Things of a foreign domain.

    Attributes:
        cutouts: The things.
        targets: (256,) uint8, class of a thing -> number of its set.
    """

    cutouts: ForeignCutouts
    targets: NDArray[np.uint8]


@dataclass(frozen=True)
class Pasting(StreetChange):
    """Foreign things for images without any.

    Attributes:
        sources: Where the things are from; each is as likely as it has things.
        ground: (256,) bool, labels of the domain on which things stand.
    """

    sources: Sequence[CutoutSource]
    ground: NDArray[np.bool_]

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        image, targets, labels = street
        ground = self.ground[labels]
        for _ in range(random.integers(1, MOST_PASTED + 1)):
            source = _draw(self.sources, [len(each.cutouts) for each in self.sources], random)
            paste = paste_foreign(image, source.cutouts, random, ground)
            image = paste.image
            targets = np.where(paste.mask, source.targets[paste.class_id], targets)
        return image, targets


def _draw(
    sources: Sequence[Source], sizes: Sequence[int], random: np.random.Generator
) -> Source:
    """One of the sources, each as likely as it is large."""
    likely = np.array(sizes) / sum(sizes)
    return sources[random.choice(len(sources), p=likely)]
