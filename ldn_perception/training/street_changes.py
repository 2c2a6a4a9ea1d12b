# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Random changes of roads, surroundings and objects in training images."""

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
"""Maximum number of foreign objects pasted into an image."""


_Changed = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Image and targets."""


class _Street(NamedTuple):
    image: NDArray[np.uint8]
    targets: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class StreetChange(ABC):
    """Random change of some images of a domain.

    The size of a metre stays that of the original pixel, also for new content.

    Attributes:
        share: Share of the images that are changed, in [0, 1].
    """

    share: float

    @final
    def apply(
        self, image: NDArray[np.uint8], targets: NDArray[np.uint8], labels: NDArray[np.uint8],
        random: np.random.Generator,
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Change an image with probability `share`.

        Args:
            image: (H, W, 3) uint8 RGB.
            targets: (H, W) uint8, set number of each pixel, see `LabelSets`.
            labels: (H, W) uint8, original label of each pixel.
            random: Random generator.

        Returns:
            Image and targets, new arrays where they differ.

        Raises:
            DatasetError: A required file is missing or damaged.
        """
        if random.random() >= self.share:
            return image, targets
        return self._change(_Street(image, targets, labels), random)

    @abstractmethod
    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        """Change an image unconditionally."""


@dataclass(frozen=True)
class Resurfacing(StreetChange):
    """Random surface of roads.

    Attributes:
        road: (256,) bool, True for labels that are resurfaced.
    """

    road: NDArray[np.bool_]

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        return resurface(street.image, self.road[street.labels], random), street.targets


class ScenerySource(NamedTuple):
    """Photographs with natural scenery.

    Attributes:
        photographs: Labelled images.
        targets: (256,) uint8, set number by label.
        is_scenery: (256,) bool, True for labels that may surround a road.
    """

    photographs: LabelledImages
    targets: NDArray[np.uint8]
    is_scenery: NDArray[np.bool_]


@dataclass(frozen=True)
class SceneryChange(StreetChange):
    """Random surroundings of streets.

    Attributes:
        sources: Sources of scenery, drawn in proportion to their number of photographs.
        replaceable: (256,) bool, True for labels of the domain that scenery may hide.
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
    """Painted roads in photographs without a road.

    Attributes:
        paintable: (256,) bool, True for labels of the domain on which a road may be painted.
        target: Set number of the road.
    """

    paintable: NDArray[np.bool_]
    target: int

    def _change(self, street: _Street, random: np.random.Generator) -> _Changed:
        image, road = paint_road(street.image, self.paintable[street.labels], random)
        return image, np.where(road, np.uint8(self.target), street.targets)


class CutoutSource(NamedTuple):
    """Cut-out objects of a foreign domain.

    Attributes:
        cutouts: Cut-out objects.
        targets: (256,) uint8, set number by class of the object.
    """

    cutouts: ForeignCutouts
    targets: NDArray[np.uint8]


@dataclass(frozen=True)
class Pasting(StreetChange):
    """Pasted foreign objects.

    Attributes:
        sources: Sources of objects, drawn in proportion to their number of objects.
        ground: (256,) bool, True for labels of the domain on which objects stand.
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
    """Draw a source with probability in proportion to its size."""
    likely = np.array(sizes) / sum(sizes)
    return sources[random.choice(len(sources), p=likely)]
