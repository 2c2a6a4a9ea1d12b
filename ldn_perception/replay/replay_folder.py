# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The files of one replayed configuration."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
import time
from typing import Any

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.confusion import ConfusionMatrix
from ldn_perception.evaluation.pair_scorer import PairScores, plain
from ldn_perception.replay.checkpoint import Checkpoint
from ldn_perception.replay.frame_lines import (
    open_lines,
    read_lines,
    summarise_lines,
    write_line,
)
from ldn_perception.replay.result_bag import ResultBag
from ldn_perception.replay.settings import ReplaySettings, check_same

BAG = 'bag'
"""Name of the folder of the bag of results."""

CHECKPOINT = 'checkpoint.npz'
"""Name of the file that a replay goes on from."""


class ReplayFolder:
    """Results of a replay, complete up to the last checkpoint whatever happens.

    `replay.json` says what was replayed, `frames.jsonl` and `dropped.jsonl` hold one line a
    pair, `bag/` the results, `pictures/` the notable pairs, `scores.json` the scores and
    `checkpoint.npz` what is needed to go on: exact counts, and how long the other files were
    when it was written. What goes beyond that is cut off when the replay goes on.

    Args:
        path: The folder; made if it is not there.
        settings: What is replayed.

    Attributes:
        state: Of the replay; taken up from the disk where there is one.

    Raises:
        ReplayError: It holds a replay of other settings, or other files.
        BagError: Its bag has lost files.
    """

    def __init__(self, path: Path, settings: ReplaySettings) -> None:
        self.path = path
        self._settings = settings
        self._checkpoint = path / CHECKPOINT
        self._wanted = settings.to_json()
        self.is_complete = is_finished(path, settings)
        if self._checkpoint.is_file():
            self.state = Checkpoint.load(self._checkpoint)
        else:
            shutil.rmtree(path / BAG, ignore_errors=True)
            self.state = Checkpoint(PairScores(ConfusionMatrix(settings.taxonomy.num_driving)))
        progress = self.state.progress
        path.mkdir(parents=True, exist_ok=True)
        self._frames = open_lines(path / 'frames.jsonl', progress.frames_bytes)
        self._dropped = open_lines(path / 'dropped.jsonl', progress.dropped_bytes)
        self.bag = ResultBag(
            path / BAG, progress.segments, writes_images=settings.writes_images,
        ) if settings.writes_bag else None
        if not self.is_complete:
            self._write_description(complete=False)

    def write_frame(self, line: dict[str, Any]) -> None:
        """Append a line to frames.jsonl; a crash does not take it."""
        write_line(self._frames, line)

    def write_dropped(self, line: dict[str, Any]) -> None:
        """Append a line to dropped.jsonl."""
        write_line(self._dropped, line)

    def save(self) -> None:
        """Make everything so far the point that the replay goes on from.

        Raises:
            BagError: The disk does not take it.
        """
        started = time.perf_counter()
        if self.bag is not None:
            self.bag.finish_segment()
        self.state.progress = self.state.progress.at(
            self._frames.tell(), self._dropped.tell(),
            self.bag.num_segments if self.bag is not None else 0)
        self.state.save(self._checkpoint)
        self.state.progress = self.state.progress.with_seconds(
            {'save': time.perf_counter() - started})

    def finish(self, *, complete: bool) -> None:
        """Write scores and pictures of what there is, and whether that is all."""
        self.state.pictures.write(self.path / 'pictures')
        write_json(self.path / 'scores.json', self.scores())
        self._write_description(complete=complete)
        self.is_complete = complete

    def scores(self) -> dict[str, Any]:
        """Everything of scores.json: parts in [0, 1], milliseconds, None for what is unknown."""
        state = self.state
        return {
            'pairs': state.progress.to_json(),
            **state.scores.to_json(self._settings.taxonomy),
            **summarise_lines(read_lines(self.path / 'frames.jsonl')),
            'pictures': state.pictures.to_json(),
        }

    def _write_description(self, *, complete: bool) -> None:
        progress = self.state.progress
        write_json(self.path / 'replay.json', {
            **self._wanted, 'counts': progress.to_json(), 'seconds': dict(progress.seconds),
            'complete': complete})

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        self._dropped.close()


def is_finished(path: Path, settings: ReplaySettings) -> bool:
    """Whether a folder holds all of a replay; nothing is changed.

    Args:
        path: The folder; need not be there.
        settings: Of the replay.

    Raises:
        ReplayError: It holds a replay of other settings, or other files.
    """
    if not path.exists():
        return False
    description = path / 'replay.json'
    if not description.is_file():
        if not path.is_dir() or any(path.iterdir()):
            raise ReplayError(
                f'output {path}', must_be='a new or empty folder, or one of a replay',
                got='a folder with other files' if path.is_dir() else 'a file',
                do='choose another --output')
        return False
    if not (path / CHECKPOINT).is_file():
        return False  # it begins anew, whatever it was
    stored = json.loads(description.read_text())
    check_same(path, stored, settings.to_json())
    return bool(stored['complete'])


def write_json(path: Path, value: Any) -> None:
    """Replace a file by a value; NaN becomes null."""
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(plain(value), indent=2) + '\n')
    temporary.replace(path)
