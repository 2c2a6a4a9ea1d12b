# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A split for datasets that are published without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ldn_perception.errors import DatasetError

SPLITS = ('train', 'val', 'all')
"""val is held out of train; all is both."""

_EVERY = 5

Item = TypeVar('Item')


def hold_out(dataset: str, items: Sequence[Item], split: str) -> list[Item]:
    """Part of a sorted list: every fifth item is val, the others are train.

    Args:
        dataset: Name of the dataset, for the error.
        items: What to split, sorted, the same list for every split.
        split: One of SPLITS.

    Raises:
        DatasetError: There is no such split, or nothing is left in it.
    """
    if split not in SPLITS:
        raise DatasetError(
            f'split of {dataset}', must_be=f'one of {", ".join(SPLITS)}', got=split,
            do='ask for one of these',
        )
    part = [item for number, item in enumerate(items, 1)
            if split == 'all' or (number % _EVERY == 0) == (split == 'val')]
    if not part:
        raise DatasetError(
            f'{dataset}', must_be=f'{_EVERY} or more items of which to hold out',
            got=f'{len(items)}, none in {split}', do='ask for the split train or all',
        )
    return part
