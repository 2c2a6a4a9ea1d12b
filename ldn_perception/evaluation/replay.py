# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Offline replay of bags through the pipeline, and merging of replays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
import json
from pathlib import Path
import time
from typing import Any

from ldn_perception.data.bag_reader import StereoBagReader
from ldn_perception.data.stereo_sample import StereoSample, TruthFolder
from ldn_perception.errors import LdnPerceptionError, ReplayError
from ldn_perception.evaluation.replay_checkpoint import (
    BagCounts,
    Checkpoint,
    frame_line,
    read_lines,
)
from ldn_perception.evaluation.replay_folder import (
    BAG,
    CHECKPOINT,
    ReplayFolder,
    ReplaySettings,
    check_same,
    is_finished,
)
from ldn_perception.metrics.pair_scorer import PairScorer, ScoringTask
from ldn_perception.pictures import Picture
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.types import PerceptionResult, Quantity

PAIRS_PER_SEGMENT = 32
"""Pairs between two checkpoints, and in each file of the bag of results."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Progress and cancellation callbacks.

    Attributes:
        advance: Receives the number of pairs done and the number in the bags opened so far.
        wants_stop: Returns True to end the replay after the current pair.
    """

    advance: Callable[[int, int], None] = lambda done, total: None
    wants_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _OpenBag:
    """A bag during its replay."""

    path: Path
    reader: StereoBagReader
    truth: TruthFolder | None
    first_index: int
    scorer: PairScorer


class Replay:
    """Replay of every pair of bags, in order, into a folder.

    Only the measured times depend on the speed of the machine. A pair that cannot be decoded or
    matched is written to dropped.jsonl with its reason.

    Args:
        settings: Settings of the replay.
        pipeline: Pipeline that the settings describe.
        draw: Function that draws a pair with its ground truth and its result.
        pairs_per_segment: Pairs between two checkpoints.
    """

    def __init__(
        self, settings: ReplaySettings, pipeline: StereoSegmentationPipeline,
        draw: Callable[[StereoSample, PerceptionResult], Picture],
        pairs_per_segment: int = PAIRS_PER_SEGMENT,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._draw = draw
        self._pairs_per_segment = pairs_per_segment

    def run(self, path: Path, watcher: Watcher | None = None) -> bool:
        """Start, or resume after the last checkpoint; stopping also writes a checkpoint.

        Args:
            path: Folder of the results.
            watcher: Progress and cancellation callbacks.

        Returns:
            True if all pairs are done.

        Raises:
            ReplayError: The folder contains other results.
            BagError: A bag cannot be read, or the results cannot be written.
            EvaluationError: The ground truth does not fit the classes of the network.
        """
        watcher = watcher or Watcher()
        folder = ReplayFolder(path, self._settings)
        try:
            complete = folder.is_complete or self._replay(folder, watcher)
            folder.finish(complete=complete)
        finally:
            folder.close()
        return complete

    def _replay(self, folder: ReplayFolder, watcher: Watcher) -> bool:
        """Replay the remaining pairs; return True if all are done."""
        unsaved = 0
        for number in range(max(0, len(folder.state.progress.bags) - 1), len(self._settings.bags)):
            bag = self._open(number, folder)
            for done in self._replay_bag(bag, folder):
                watcher.advance(done, bag.first_index + len(bag.reader))
                unsaved += 1
                if unsaved == self._pairs_per_segment:
                    folder.save()
                    unsaved = 0
                if watcher.wants_stop():
                    folder.save()
                    return False
        folder.save()
        return True

    def _open(self, number: int, folder: ReplayFolder) -> _OpenBag:
        started = time.perf_counter()
        settings, state = self._settings, folder.state
        path = settings.bags[number]
        reader = StereoBagReader(path, slop_s=settings.slop_s, rectify=settings.rectifies)
        truth_path = settings.truth_path(path)
        truth = None if truth_path is None else TruthFolder(truth_path, reader.stamps_ns)
        if number == len(state.progress.bags):
            counts = BagCounts(str(path), len(reader), reader.unpaired_images)
            state.progress = state.progress.open_bag(counts)
        state.progress = state.progress.with_seconds({'open': time.perf_counter() - started})
        task = ScoringTask(settings.taxonomy, settings.taxonomy)
        return _OpenBag(
            path, reader, truth, state.progress.first_index, PairScorer(task, state.scores))

    def _replay_bag(self, bag: _OpenBag, folder: ReplayFolder) -> Iterator[int]:
        """Replay the remaining pairs of a bag; yield the total number of pairs done."""

        def drop(number: int, error: LdnPerceptionError) -> None:
            folder.write_dropped({
                'index': bag.first_index + number, 'stamp_ns': bag.reader.stamps_ns[number],
                'bag': str(bag.path), 'reason': error.reason, 'error': str(error)})
            folder.state.progress = folder.state.progress.after_drop(number, error.reason)

        started = time.perf_counter()
        for number, pair in bag.reader.numbered(folder.state.progress.next_pair, drop):
            sample = pair if bag.truth is None else bag.truth.add_to(pair, number)
            read_s = time.perf_counter() - started
            try:
                result = self._pipeline.process(sample.frame, self._quantities(sample))
            except LdnPerceptionError as error:
                drop(number, error)
            else:
                self._keep(number, sample, result, read_s, bag, folder)
            yield bag.first_index + number + 1
            started = time.perf_counter()

    def _quantities(self, sample: StereoSample) -> Quantity:
        wanted = Quantity.OOD_MASK | Quantity.FOREIGN_PROBABILITY
        if self._settings.writes_bag or sample.disparity is not None:
            wanted |= Quantity.DISPARITY
        return wanted

    def _keep(
        self, number: int, sample: StereoSample, result: PerceptionResult, read_s: float,
        bag: _OpenBag, folder: ReplayFolder,
    ) -> None:
        """Write a result, score it, and draw it if it is notable."""
        started = time.perf_counter()
        if folder.bag is not None:
            folder.bag.write(result, bag.reader.topics)
        written = time.perf_counter()
        seconds = {'read': read_s, **result.seconds, 'write': written - started}

        state, index = folder.state, bag.first_index + number
        scores = bag.scorer.add(_images(result), sample.truth())
        line = frame_line(index, bag.path, result, seconds, scores)
        state.pictures.offer(
            index, line.get('pixel_accuracy'), line['mean_foreign_probability'],
            lambda: self._draw(sample, result))
        folder.write_frame(line)
        state.progress = state.progress.after_pair(
            number, {**seconds, 'score': time.perf_counter() - written})


def _images(result: PerceptionResult) -> dict[str, Any]:
    """Results that can be compared with ground truth, by name."""
    found = {
        'labels': result.segmentation.labels,
        'foreign_probability': result.segmentation.foreign_probability,
        'disparity': None if result.disparity is None else result.disparity.to_host(),
    }
    return {name: values for name, values in found.items() if values is not None}


_OWN = ('name', 'bags', 'bag_bytes', 'ground_truth')


def merge_replays(
    settings: ReplaySettings, parts: Sequence[Path], path: Path, *, complete: bool = True,
) -> None:
    """Merge replays into a folder equal to that of one replay of all bags.

    All counts are exact; times are those of the parts.

    Args:
        settings: Settings of the merged replay, with all bags in the order of the parts.
        parts: Folders of finished replays of one or more of the bags each; they are kept.
        path: Folder to create.
        complete: True if the parts cover all bags; if False, the next merge or replay into this
            folder starts from the beginning.

    Raises:
        ReplayError: A part is unfinished or has other settings, the bags are not those of the
            settings, or the folder contains other results.
        BagError: Results of a part cannot be read.
    """
    if not needs_merge(settings, path):
        return
    _check(settings, parts, complete)
    folder = ReplayFolder(path, settings)
    try:
        for part in parts:
            _append(folder, part)
        if complete:
            folder.save()
        folder.finish(complete=complete)
    finally:
        folder.close()


def needs_merge(settings: ReplaySettings, path: Path) -> bool:
    """Tell if a merged folder is missing or incomplete; nothing is changed.

    Args:
        settings: Settings of the merged replay.
        path: The folder.

    Raises:
        ReplayError: It contains a replay that resumes without a merge, a replay with other
            settings, or other files.
    """
    if is_finished(path, settings):
        return False
    if (path / CHECKPOINT).is_file():
        raise ReplayError(
            f'output {path}', must_be='a new folder, or one that was merged',
            got='a replay that has begun on one machine',
            do='go on with it there, or choose another --output')
    return True


def _check(settings: ReplaySettings, parts: Sequence[Path], complete: bool) -> None:
    wanted = settings.to_json()
    bags: list[str] = []
    for part in parts:
        stored = _read_description(part)
        bags += stored['bags']
        check_same(
            part, stored, {name: value for name, value in wanted.items() if name not in _OWN})
    expected = [bag for bag in wanted['bags'] if complete or bag in bags]
    if bags != expected:
        raise ReplayError(
            'bags of the parts', must_be=', '.join(expected), got=', '.join(bags),
            do='give every part once, in the order of the bags')


def _read_description(part: Path) -> dict[str, Any]:
    try:
        stored: dict[str, Any] = json.loads((part / 'replay.json').read_text())
    except (OSError, ValueError):
        stored = {'complete': False}
    if not stored['complete']:
        raise ReplayError(
            f'part {part}', must_be='a finished replay', got='none or an unfinished one',
            do='replay its bag first')
    return stored


def _append(folder: ReplayFolder, part: Path) -> None:
    added, state = Checkpoint.load(part / 'checkpoint.npz'), folder.state
    offset = sum(bag.pairs for bag in state.progress.bags)
    for line in read_lines(part / 'frames.jsonl'):
        folder.write_frame({**line, 'index': line['index'] + offset})
    for line in read_lines(part / 'dropped.jsonl'):
        folder.write_dropped({**line, 'index': line['index'] + offset})
    if folder.bag is not None:
        folder.bag.take_over(part / BAG)
    for picture in added.pictures.kept:
        state.pictures.add(replace(picture, index=picture.index + offset))
    state.scores += added.scores
    state.progress = state.progress.followed_by(added.progress)
