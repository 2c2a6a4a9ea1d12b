# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The labels of several datasets in one numbering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import TrainingError
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.label_mapping import LabelMapping


class LabelSets:
    """All different sets of classes that labels of some datasets stand for.

    A target is the number of a set. The last set holds every class: whatever the network says is
    in it, so a pixel of which nothing is known costs nothing and teaches nothing.

    Args:
        mappings: From each dataset to the taxonomy of the network, all to the same one.

    Attributes:
        table: (K + 1, C) bool, the classes in each set; the last row is all True.
        targets: For each mapping (256,) uint8, from the label of its dataset to its target.
        unknown: Target of a pixel of which nothing is known, the last one.

    Raises:
        TrainingError: There are more sets than 8 bits can number.
    """

    def __init__(self, mappings: Sequence[LabelMapping]) -> None:
        rows: dict[bytes, int] = {}
        for mapping in mappings:
            for row in mapping.table:
                if row.any() and not row.all():
                    rows.setdefault(row.tobytes(), len(rows))
        self.unknown = len(rows)
        if self.unknown > UNLABELLED:
            raise TrainingError(
                'labels of all datasets', got=self.unknown,
                must_be=f'at most {UNLABELLED} different sets of classes',
                do='train with fewer datasets at a time')
        self._class_names = mappings[0].target.class_names
        everything = np.ones(len(mappings[0].target), np.bool_)
        known = [np.frombuffer(row, np.bool_) for row in rows]
        self.table: NDArray[np.bool_] = np.stack([*known, everything])
        self.targets = [self._lookup(mapping, rows) for mapping in mappings]

    def target_of(self, name: str) -> int:
        """Number of the set that holds nothing but a class.

        Raises:
            TrainingError: No dataset has a label that stands for it alone.
        """
        alone = np.array([target == name for target in self._class_names])
        found = np.flatnonzero((self.table == alone).all(axis=1))
        if not found.size:
            raise TrainingError(
                f'labels of all datasets for {name}', must_be=f'one that is {name} for certain',
                got='none', do='add a dataset of streets')
        return int(found[0])

    def _lookup(self, mapping: LabelMapping, rows: dict[bytes, int]) -> NDArray[np.uint8]:
        lookup = np.full(UNLABELLED + 1, self.unknown, np.uint8)
        for label, row in enumerate(mapping.table):
            lookup[label] = rows.get(row.tobytes(), self.unknown)
        return lookup
