# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All that a replay needs to go on, in one file that is replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.pair_scorer import PairScores
from ldn_perception.replay.notable_pictures import NotablePicture, NotablePictures


@dataclass(frozen=True, slots=True)
class BagCounts:
    """One bag of a replay.

    Attributes:
        bag: Its path.
        pairs: Complete pairs in it.
        unpaired_images: Left images without a partner.
    """

    bag: str
    pairs: int
    unpaired_images: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is, as it stands on the disk.

    Attributes:
        bags: Bags opened so far; the last one is in work unless all its pairs are done.
        next_pair: Number of the first pair of the last bag that is not done.
        frames_bytes: Length of frames.jsonl.
        dropped_bytes: Length of dropped.jsonl.
        segments: Finished files of the bag of results.
        processed: Pairs with a result.
        dropped: Reason -> number of pairs without a result.
        seconds: Stage -> time it has taken so far [s].
    """

    bags: tuple[BagCounts, ...] = ()
    next_pair: int = 0
    frames_bytes: int = 0
    dropped_bytes: int = 0
    segments: int = 0
    processed: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def first_index(self) -> int:
        """Number in the replay of the first pair of the last bag."""
        return sum(bag.pairs for bag in self.bags[:-1])

    def open_bag(self, bag: BagCounts) -> Progress:
        """Begin with the next bag."""
        return replace(self, bags=(*self.bags, bag), next_pair=0)

    def after_pair(self, pair: int, seconds: Mapping[str, float]) -> Progress:
        """Count a pair with a result."""
        return replace(
            self, next_pair=pair + 1, processed=self.processed + 1,
            seconds=_sum(self.seconds, seconds))

    def after_drop(self, pair: int, reason: str) -> Progress:
        """Count a pair without one."""
        return replace(self, next_pair=pair + 1, dropped=_sum(self.dropped, {reason: 1}))

    def with_seconds(self, seconds: Mapping[str, float]) -> Progress:
        """Count time that belongs to no pair."""
        return replace(self, seconds=_sum(self.seconds, seconds))

    def at(self, frames_bytes: int, dropped_bytes: int, segments: int) -> Progress:
        """Note how much is on the disk."""
        return replace(
            self, frames_bytes=frames_bytes, dropped_bytes=dropped_bytes, segments=segments)

    def followed_by(self, other: Progress) -> Progress:
        """Counts of two finished replays, one after the other."""
        return Progress(
            (*self.bags, *other.bags), other.next_pair,
            processed=self.processed + other.processed,
            dropped=_sum(self.dropped, other.dropped), seconds=_sum(self.seconds, other.seconds))

    def to_json(self) -> dict[str, Any]:
        """Counts for people and programs."""
        return {
            'pairs': sum(bag.pairs for bag in self.bags),
            'processed': self.processed,
            'dropped': dict(self.dropped),
            'unpaired_images': sum(bag.unpaired_images for bag in self.bags),
            'bags': [asdict(bag) for bag in self.bags],
        }


@dataclass(slots=True)
class Checkpoint:
    """State between two pairs.

    Attributes:
        scores: Everything counted.
        progress: How far it is.
        pictures: The notable ones so far.
    """

    scores: PairScores
    progress: Progress = field(default_factory=Progress)
    pictures: NotablePictures = field(default_factory=NotablePictures)

    def save(self, path: Path) -> None:
        """Replace the file by this state."""
        texts = {
            'progress': asdict(self.progress),
            'pictures': [
                {'kind': entry.kind, 'value': entry.value, 'index': entry.index}
                for entry in self.pictures.kept],
        }
        arrays: dict[str, Any] = dict(self.scores.to_arrays())
        for name, value in texts.items():
            arrays[name] = np.frombuffer(json.dumps(value).encode(), np.uint8)
        for number, entry in enumerate(self.pictures.kept):
            arrays[f'jpeg_{number}'] = np.frombuffer(entry.jpeg, np.uint8)
        temporary = path.with_suffix('.tmp')
        with temporary.open('wb') as file:
            np.savez(file, **arrays)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a state.

        Raises:
            ReplayError: The file is damaged.
        """
        try:
            with np.load(path) as arrays:
                progress, pictures = (
                    json.loads(bytes(arrays[name])) for name in ('progress', 'pictures'))
                return cls(
                    PairScores.from_arrays(arrays),
                    Progress(**{
                        **progress, 'bags': tuple(BagCounts(**bag) for bag in progress['bags'])}),
                    NotablePictures([
                        NotablePicture(**entry, jpeg=bytes(arrays[f'jpeg_{number}']))
                        for number, entry in enumerate(pictures)]))
        except (OSError, ValueError, LookupError, TypeError, EOFError, BadZipFile) as error:
            raise ReplayError(
                f'state of a replay {path}', must_be='as it was written', got=str(error),
                do='begin in a new folder') from error


def _sum(counts: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: counts.get(name, 0) + others.get(name, 0) for name in {**counts, **others}}
