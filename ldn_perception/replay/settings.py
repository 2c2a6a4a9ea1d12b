# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is replayed, through what, and whether it is still the same the next time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Any

from ldn_perception.errors import ReplayError
from ldn_perception.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Everything the results of a replay depend on.

    Attributes:
        name: Of the configuration.
        bags: Bags, replayed one after the other.
        options: Value of every option of the corridor by name.
        taxonomy: Classes of the labels.
        weights: File of the network's weights; None for random ones.
        ground_truth: Folder with more ground truth, see `truth_path`; None for none.
        writes_bag: Whether results become a bag.
        writes_images: Whether the left images go into it too.

    Raises:
        ReplayError: There is no bag, or one comes twice or is not there.
    """

    name: str
    bags: tuple[Path, ...]
    options: Mapping[str, Any]
    taxonomy: Taxonomy
    weights: Path | None = None
    ground_truth: Path | None = None
    writes_bag: bool = True
    writes_images: bool = True

    def __post_init__(self) -> None:
        resolved = [bag.resolve() for bag in self.bags]
        if not resolved or len(set(resolved)) < len(resolved):
            twice = [str(bag) for bag in self.bags if resolved.count(bag.resolve()) > 1]
            raise ReplayError(
                'bags of a replay', must_be='one or more, each once',
                got=f'{twice[0]} again' if twice else 'none', do='name every bag once')
        for bag in self.bags:
            if not bag.exists():
                raise ReplayError(
                    f'bag {bag}', must_be='an existing file or folder', got='nothing there',
                    do='check the path')

    @property
    def rectifies(self) -> bool:
        """Whether the images are raw."""
        return bool(self.options['input.rectify'])

    @property
    def slop_s(self) -> float:
        """Largest difference between the stamps of a pair [s]."""
        if self.options['input.synchronization'] == 'exact':
            return 0.0
        return float(self.options['input.slop_s'])

    def truth_path(self, bag: Path) -> Path | None:
        """Folder with ground truth of a bag: one named like it; for a single bag else itself."""
        if self.ground_truth is None:
            return None
        own = self.ground_truth / bag.stem
        return self.ground_truth if len(self.bags) == 1 and not own.is_dir() else own

    def to_json(self) -> dict[str, Any]:
        """What tells one replay from another."""
        taxonomy = self.taxonomy
        return {
            'name': self.name,
            'bags': [str(bag.resolve()) for bag in self.bags],
            'bag_bytes': [_size(bag) for bag in self.bags],
            'settings': dict(self.options),
            'model': self.options['model.name'],
            'weights': None if self.weights is None else str(self.weights),
            'weights_sha256': None if self.weights is None else hashlib.sha256(
                self.weights.read_bytes()).hexdigest(),
            'taxonomy': {
                'name': taxonomy.name, 'num_driving': taxonomy.num_driving,
                'classes': [
                    {'name': info.name, 'color': list(info.color), 'domain': info.domain.value,
                     'category': info.category}
                    for info in taxonomy.classes
                ],
            },
            'ground_truth': None if self.ground_truth is None
            else str(self.ground_truth.resolve()),
            'writes_bag': self.writes_bag,
            'writes_images': self.writes_images,
        }


def check_same(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with a replay of other settings.

    Args:
        folder: Of the replay.
        stored: Its replay.json.
        wanted: `ReplaySettings.to_json` of the one to come.

    Raises:
        ReplayError: They differ; the message names what.
    """
    for name, value in wanted.items():
        before = stored.get(name)
        if before == value:
            continue
        what = name.replace('_', ' ')
        if isinstance(value, dict) and isinstance(before, dict):
            what, before, value = next(
                (f'{what} {key}', before.get(key), value.get(key))
                for key in {**before, **value} if before.get(key) != value.get(key))
        raise ReplayError(
            f'{what} of the replay in {folder}',
            must_be=f'{before} as when it began', got=value,
            do='give the same arguments to go on with it, or another --output')


def _size(bag: Path) -> int:
    """Bytes of a bag's files; 0 where there is none."""
    if bag.is_dir():
        return sum(file.stat().st_size for file in bag.iterdir() if file.is_file())
    return bag.stat().st_size if bag.is_file() else 0
