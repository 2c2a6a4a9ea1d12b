# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""State of a replay on disk: checkpoint, one line per pair, and notable pairs."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
import hashlib
import json
import math
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import cv2
import numpy as np

from ldn_perception.errors import ReplayError
from ldn_perception.metrics.latency import DurationSummary
from ldn_perception.metrics.pair_scorer import PairScores
from ldn_perception.pictures import Picture
from ldn_perception.types import PerceptionResult

_MEANS = ('mean_foreign_probability', 'ood_share', 'disparity_density')


def frame_line(
    index: int, bag: Path, result: PerceptionResult, seconds: Mapping[str, float],
    scores: PairScores,
) -> dict[str, Any]:
    """Line of frames.jsonl for a pair.

    Args:
        index: Number of the pair in the replay.
        bag: Bag of the pair.
        result: Result of the pair, with foreign probability and mask.
        seconds: Time of each stage [s].
        scores: Scores of the pair.
    """
    segmentation = result.segmentation
    assert segmentation.foreign_probability is not None
    assert segmentation.ood_mask is not None
    scored = {
        'pixel_accuracy': scores.confusion.pixel_accuracy, 'miou': scores.confusion.mean_iou,
        'd1': scores.stereo.d1_all, 'ood_ap': scores.ood.metrics().average_precision}
    return {
        'index': index,
        'stamp_ns': result.frame.stamp_ns,
        'bag': str(bag),
        'labels_sha256': hashlib.sha256(segmentation.labels.tobytes()).hexdigest(),
        'mean_foreign_probability': float(segmentation.foreign_probability.mean(dtype=np.float64)),
        'ood_share': float(segmentation.ood_mask.mean()),
        'non_finite_pixels': segmentation.num_non_finite,
        'disparity_density': None if result.disparity is None else result.disparity.density,
        'seconds': {stage: round(time, 6) for stage, time in seconds.items()},
        **{name: value for name, value in scored.items() if not math.isnan(value)},
    }


def summarise_lines(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Latency of each stage and means over the pairs.

    Memory grows by five numbers per pair.

    Args:
        lines: Lines in the form of `frame_line`.
    """
    seconds: dict[str, array[float]] = defaultdict(lambda: array('d'))
    sums, counts, most_foreign = dict.fromkeys(_MEANS, 0.0), dict.fromkeys(_MEANS, 0), math.nan
    for line in lines:
        for stage, time in line['seconds'].items():
            seconds[stage].append(time)
        seconds['total'].append(sum(line['seconds'].values()))
        for name in _MEANS:
            if line[name] is not None:
                sums[name] += line[name]
                counts[name] += 1
        most_foreign = max(line['mean_foreign_probability'], most_foreign)
    return {
        'latency': {
            stage: asdict(DurationSummary.from_seconds(times))
            for stage, times in seconds.items()},
        **{f'mean_{name.removeprefix("mean_")}': sums[name] / counts[name]
           if counts[name] else None for name in _MEANS},
        'max_mean_foreign_probability': most_foreign,
    }


def open_lines(path: Path, length: int) -> IO[bytes]:
    """Open a file of lines for appending, truncated to its last consistent length.

    Raises:
        ReplayError: The file is shorter.
    """
    file = path.open('ab')
    if file.seek(0, 2) < length:
        file.close()
        raise ReplayError(
            f'length of {path}', must_be=f'{length} bytes or more', got=path.stat().st_size,
            do='give the file back, or begin in a new folder')
    file.truncate(length)
    file.seek(length)
    return file


def write_line(file: IO[bytes], line: Mapping[str, Any]) -> None:
    """Append a line and flush it, so that it survives a crash of the process."""
    file.write(json.dumps(line).encode() + b'\n')
    file.flush()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the lines of a file; an incomplete last line is skipped."""
    with path.open() as file:
        for line in file:
            if line.endswith('\n'):
                yield json.loads(line)


KINDS = ('best', 'worst', 'foreign')
"""Criteria: highest and lowest pixel accuracy, and highest mean foreign probability."""

NUM_KEPT = 3
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class NotablePicture:
    """A candidate for the notable pictures.

    Attributes:
        kind: One of KINDS.
        value: Pixel accuracy or mean foreign probability, in [0, 1].
        index: Number of the pair in the replay.
        jpeg: Encoded picture.
    """

    kind: str
    value: float
    index: int
    jpeg: bytes

    @property
    def order(self) -> tuple[float, int]:
        """Sort key: the first ones are kept; ties are resolved in favour of the earlier pair."""
        return (self.value if self.kind == 'worst' else -self.value), self.index


class NotablePictures:
    """The three most notable pictures of each kind.

    Args:
        kept: Initial pictures.
    """

    def __init__(self, kept: list[NotablePicture] | None = None) -> None:
        self.kept = kept or []

    def offer(
        self, index: int, pixel_accuracy: float | None, foreign: float,
        draw: Callable[[], Picture],
    ) -> None:
        """Add a pair if it is notable; it is drawn only then.

        Args:
            index: Number of the pair in the replay.
            pixel_accuracy: Pixel accuracy in [0, 1]; None without ground truth.
            foreign: Mean foreign probability in [0, 1]; 0 is not notable.
            draw: Function that returns the picture, (H, W, 3) uint8 RGB.
        """
        values = {'best': pixel_accuracy, 'worst': pixel_accuracy, 'foreign': foreign or None}
        jpeg = b''
        for kind, value in values.items():
            if value is None or not self._enters(NotablePicture(kind, value, index, b'')):
                continue
            jpeg = jpeg or encode_jpeg(draw())
            self.add(NotablePicture(kind, value, index, jpeg))

    def _enters(self, picture: NotablePicture) -> bool:
        rivals = self.of(picture.kind)
        return len(rivals) < NUM_KEPT or picture.order < rivals[-1].order

    def add(self, picture: NotablePicture) -> None:
        """Insert a picture by its rank; the last one of its kind may be removed."""
        others = [entry for entry in self.kept if entry.kind != picture.kind]
        ranked = sorted([*self.of(picture.kind), picture], key=lambda entry: entry.order)
        self.kept = others + ranked[:NUM_KEPT]

    def of(self, kind: str) -> list[NotablePicture]:
        """Pictures of a kind, the most notable first."""
        return sorted(
            (entry for entry in self.kept if entry.kind == kind), key=lambda entry: entry.order)

    def write(self, folder: Path) -> None:
        """Write the files best_1.jpg to foreign_3.jpg, as far as there are pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for rank, picture in enumerate(self.of(kind), start=1):
                (folder / f'{kind}_{rank}.jpg').write_bytes(picture.jpeg)

    def to_json(self) -> list[dict[str, object]]:
        """File, value and pair of every picture."""
        return [
            {'file': f'{kind}_{rank}.jpg', 'kind': kind, 'value': picture.value,
             'index': picture.index}
            for kind in KINDS for rank, picture in enumerate(self.of(kind), start=1)
        ]


def encode_jpeg(picture: Picture) -> bytes:
    """Encode a (H, W, 3) uint8 RGB picture as JPEG."""
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, stream = cv2.imencode('.jpg', stored, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(np.asarray(stream))


@dataclass(frozen=True, slots=True)
class BagCounts:
    """Counts of a bag.

    Attributes:
        bag: Path of the bag.
        pairs: Number of complete pairs.
        unpaired_images: Number of left images without a partner.
    """

    bag: str
    pairs: int
    unpaired_images: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a replay as stored on disk.

    Attributes:
        bags: Bags opened so far; the last one is in progress unless all its pairs are done.
        next_pair: Number of the next pair in the last bag.
        frames_bytes: Length of frames.jsonl.
        dropped_bytes: Length of dropped.jsonl.
        segments: Number of finished files of the bag of results.
        processed: Number of pairs with a result.
        dropped: Reason -> number of pairs without a result.
        seconds: Stage -> accumulated time [s].
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
        """Progress after the next bag was opened."""
        return replace(self, bags=(*self.bags, bag), next_pair=0)

    def after_pair(self, pair: int, seconds: Mapping[str, float]) -> Progress:
        """Progress after a pair with a result."""
        return replace(
            self, next_pair=pair + 1, processed=self.processed + 1,
            seconds=_sum(self.seconds, seconds))

    def after_drop(self, pair: int, reason: str) -> Progress:
        """Progress after a pair without a result."""
        return replace(self, next_pair=pair + 1, dropped=_sum(self.dropped, {reason: 1}))

    def with_seconds(self, seconds: Mapping[str, float]) -> Progress:
        """Progress with additional time that belongs to no pair."""
        return replace(self, seconds=_sum(self.seconds, seconds))

    def at(self, frames_bytes: int, dropped_bytes: int, segments: int) -> Progress:
        """Progress with the lengths of the files on disk."""
        return replace(
            self, frames_bytes=frames_bytes, dropped_bytes=dropped_bytes, segments=segments)

    def followed_by(self, other: Progress) -> Progress:
        """Progress of two finished replays in sequence."""
        return Progress(
            (*self.bags, *other.bags), other.next_pair,
            processed=self.processed + other.processed,
            dropped=_sum(self.dropped, other.dropped), seconds=_sum(self.seconds, other.seconds))

    def to_json(self) -> dict[str, Any]:
        """Counts of replay.json and scores.json."""
        return {
            'pairs': sum(bag.pairs for bag in self.bags),
            'processed': self.processed,
            'dropped': dict(self.dropped),
            'unpaired_images': sum(bag.unpaired_images for bag in self.bags),
            'bags': [asdict(bag) for bag in self.bags],
        }


@dataclass(slots=True)
class Checkpoint:
    """State of a replay between two pairs.

    Attributes:
        scores: Accumulated scores.
        progress: Progress of the replay.
        pictures: Notable pictures so far.
    """

    scores: PairScores
    progress: Progress = field(default_factory=Progress)
    pictures: NotablePictures = field(default_factory=NotablePictures)

    def save(self, path: Path) -> None:
        """Write the state, replacing the file atomically."""
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
