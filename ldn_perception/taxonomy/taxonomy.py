# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Taxonomies and the mappings between their classes.

A label rarely corresponds to exactly one class of a larger taxonomy: car in CamVid is car, truck,
bus or train in Cityscapes. A label therefore maps to a set of classes, and a prediction is correct
if its probability is anywhere inside the set. A class that the dataset labels under another name
is in the set of that label only, so it is not penalised there. Where the dataset has no label,
nothing is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import enum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import TaxonomyError
from ldn_perception.types import UNLABELLED


class Domain(enum.Enum):
    """Domain of a class."""

    DRIVING = 'driving'
    FOREIGN = 'foreign'


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """Class of a taxonomy.

    Attributes:
        name: Name as spelled in its dataset.
        color: RGB, each in [0, 255].
        domain: Domain; the foreign classes make up the out-of-distribution probability.
        category: Name of the category for scores.
    """

    name: str
    color: tuple[int, int, int]
    domain: Domain
    category: str


@dataclass(frozen=True)
class Taxonomy:
    """Ordered class list; the index of a class is its id in labels and its logit channel.

    Attributes:
        name: Name in configurations.
        classes: Driving classes, followed by the foreign classes.

    Raises:
        TaxonomyError: Two classes share a name, a driving class follows a foreign one, there are
            no classes, or there are more classes than label ids.
    """

    name: str
    classes: tuple[ClassInfo, ...]

    def __post_init__(self) -> None:
        names = self.class_names
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise TaxonomyError(
                f'class names of taxonomy {self.name}', must_be='unique',
                got=f'{twice} twice', do='rename one of them',
            )
        if not 0 < len(names) < UNLABELLED:
            raise TaxonomyError(
                f'taxonomy {self.name}', must_be=f'1 to {UNLABELLED - 1} classes',
                got=len(names), do='label ids are 8 bit and 255 means unlabelled',
            )
        domains = [info.domain for info in self.classes]
        if Domain.DRIVING in domains[self.num_driving:]:
            raise TaxonomyError(
                f'classes of taxonomy {self.name}',
                must_be='driving classes followed by foreign classes',
                got=[domain.value for domain in domains], do='reorder them',
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the ids."""
        return tuple(info.name for info in self.classes)

    @cached_property
    def num_driving(self) -> int:
        """Number of driving classes; their ids are 0 to num_driving - 1."""
        return sum(info.domain is Domain.DRIVING for info in self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def palette(self) -> np.ndarray:
        """RGB colour by id, (256, 3) uint8; ids without a class and 255 are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[:len(self)] = [info.color for info in self.classes]
        return palette


@dataclass(frozen=True)
class LabelMapping:
    """Mapping from labels of a dataset to sets of network classes.

    Attributes:
        source: Class list of the dataset.
        target: Class list of the network.
        sets: Names of the possible target classes, by name of every source class; an empty set
            means unlabelled.

    Raises:
        TaxonomyError: A source class is missing, or a name is unknown.
    """

    source: Taxonomy
    target: Taxonomy
    sets: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        what = f'mapping from {self.source.name} to {self.target.name}'
        missing = [name for name in self.source.class_names if name not in self.sets]
        if missing:
            raise TaxonomyError(
                what, must_be='a set for every source class', got=f'none for {missing}',
                do='add them, an empty set where nothing can be said',
            )
        known = {self.source.name: set(self.source.class_names),
                 self.target.name: set(self.target.class_names)}
        used = {self.source.name: set(self.sets),
                self.target.name: {name for names in self.sets.values() for name in names}}
        for taxonomy, names in used.items():
            if names - known[taxonomy]:
                raise TaxonomyError(
                    what, must_be=f'made of classes of {taxonomy}',
                    got=sorted(names - known[taxonomy]), do='check the spelling',
                )

    @cached_property
    def table(self) -> NDArray[np.bool_]:
        """True where a label may be a class, (source classes, target classes) bool."""
        index = {name: number for number, name in enumerate(self.target.class_names)}
        table = np.zeros((len(self.source), len(self.target)), np.bool_)
        for row, name in enumerate(self.source.class_names):
            table[row, [index[target] for target in self.sets[name]]] = True
        return table

    @cached_property
    def foreign_labels(self) -> NDArray[np.bool_]:
        """True where a label maps to foreign classes only, (source classes,) bool."""
        num_driving = self.target.num_driving
        return np.asarray(self.table.any(axis=1) & ~self.table[:, :num_driving].any(axis=1))

    @cached_property
    def driving_labels(self) -> NDArray[np.bool_]:
        """True where a label maps to driving classes only, (source classes,) bool."""
        num_driving = self.target.num_driving
        return np.asarray(self.table.any(axis=1) & ~self.table[:, num_driving:].any(axis=1))

    @classmethod
    def identity(cls, taxonomy: Taxonomy) -> LabelMapping:
        """Mapping of every label to its own class."""
        return cls(taxonomy, taxonomy, {name: (name,) for name in taxonomy.class_names})

    @classmethod
    def by_name(
        cls, source: Taxonomy, target: Taxonomy, sets: Mapping[str, tuple[str, ...]],
    ) -> LabelMapping:
        """Mapping by equal names, except for the listed labels."""
        return cls(source, target, {
            **{name: (name,) for name in source.class_names if name not in sets}, **sets,
        })

    def wholly_foreign(self) -> LabelMapping:
        """Mapping for images whose labels are all foreign, also trees and sky.

        A label with foreign classes in its set keeps only these; any other label maps to all
        foreign classes.

        Raises:
            TaxonomyError: The target has no foreign classes.

        Source: thesis section 5.3.
        """
        foreign = self.target.class_names[self.target.num_driving:]
        if not foreign:
            raise TaxonomyError(
                f'mapping of wholly foreign images of {self.source.name}',
                must_be='to a taxonomy with foreign classes', got=self.target.name,
                do='choose another taxonomy, or remove wholly_foreign')
        return LabelMapping(self.source, self.target, {
            name: tuple(target for target in targets if target in foreign) or foreign
            for name, targets in self.sets.items()
        })

    def then(self, following: LabelMapping) -> LabelMapping:
        """Compose with a mapping to a third taxonomy.

        Args:
            following: Mapping whose source is the target of this one.

        Raises:
            TaxonomyError: Its source is another taxonomy.
        """
        if following.source != self.target:
            raise TaxonomyError(
                f'mapping that follows one to {self.target.name}',
                must_be=f'from {self.target.name}', got=f'from {following.source.name}',
                do='put the mapping between them in the middle',
            )
        return LabelMapping(self.source, following.target, {
            name: tuple(dict.fromkeys(
                final for target in targets for final in following.sets[target]))
            for name, targets in self.sets.items()
        })
