# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A taxonomy: the classes a model can predict, and which of them cannot be on a road camera."""

from __future__ import annotations

from dataclasses import dataclass
import enum
from functools import cached_property

import numpy as np

from ldn_perception.errors import TaxonomyError
from ldn_perception.frames import UNLABELLED


class Domain(enum.Enum):
    """Where a class belongs."""

    DRIVING = 'driving'
    FOREIGN = 'foreign'


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class.

    Attributes:
        name: Name as its dataset spells it.
        color: RGB, each in [0, 255].
        domain: Foreign classes make up the out-of-distribution probability.
        category: Name of the group it is scored in.
    """

    name: str
    color: tuple[int, int, int]
    domain: Domain
    category: str


@dataclass(frozen=True)
class Taxonomy:
    """An ordered class list; a class' position is its id in labels and its logit channel.

    Attributes:
        name: Name under which a configuration asks for it.
        classes: Driving classes first, foreign classes after them.

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
        """Number of driving classes; they have the ids below it."""
        return sum(info.domain is Domain.DRIVING for info in self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def palette(self) -> np.ndarray:
        """(256, 3) uint8 RGB; ids without a class and 255 are black."""
        palette = np.zeros((256, 3), np.uint8)
        palette[:len(self)] = [info.color for info in self.classes]
        return palette
