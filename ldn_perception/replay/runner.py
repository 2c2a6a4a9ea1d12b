# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bags through the corridor, every pair in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

from ldn_perception.bags.stereo_bag_reader import StereoBagReader
from ldn_perception.bags.stereo_sample import StereoSample
from ldn_perception.bags.truth_folder import TruthFolder
from ldn_perception.errors import LdnPerceptionError
from ldn_perception.evaluation.pair_scorer import PairScorer, ScoringTask
from ldn_perception.frames import PerceptionResult, Quantity
from ldn_perception.pictures import Picture
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.replay.checkpoint import BagCounts
from ldn_perception.replay.frame_lines import frame_line
from ldn_perception.replay.replay_folder import ReplayFolder
from ldn_perception.replay.settings import ReplaySettings

PAIRS_PER_SEGMENT = 32
"""Pairs between two checkpoints, and in a file of the bag of results."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who looks on.

    Attributes:
        advance: Is told how many pairs are done, of how many in the bags opened so far.
        wants_stop: Whether the replay shall end after the pair in work.
    """

    advance: Callable[[int, int], None] = lambda done, total: None
    wants_stop: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _OpenBag:
    """A bag that is being replayed."""

    path: Path
    reader: StereoBagReader
    truth: TruthFolder | None
    first_index: int
    scorer: PairScorer


class Replay:
    """Replays bags into a folder, one pair after the other and none left out.

    Nothing depends on the speed of the machine but the times it takes. A pair that cannot be
    decoded or matched is written to dropped.jsonl with its reason.

    Args:
        settings: What is replayed.
        pipeline: The corridor that the settings describe.
        draw: A pair with its ground truth and its result as a picture.
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
        """Begin, or go on after the last checkpoint; a stop makes one too.

        Args:
            path: Folder of the results.
            watcher: Who looks on.

        Returns:
            Whether all pairs are done.

        Raises:
            ReplayError: The folder holds something else.
            BagError: A bag cannot be read, or the disk does not take the results.
            EvaluationError: Ground truth does not fit the classes of the network.
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
        """Replay what is left; whether all of it is done."""
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
        """Replay the pairs of a bag that are left; yields how many are done in all."""

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
    """Results that ground truth is compared with, by name."""
    found = {
        'labels': result.segmentation.labels,
        'foreign_probability': result.segmentation.foreign_probability,
        'disparity': None if result.disparity is None else result.disparity.to_host(),
    }
    return {name: values for name, values in found.items() if values is not None}
