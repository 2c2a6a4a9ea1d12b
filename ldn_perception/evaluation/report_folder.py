# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Contents of a replay folder, read back for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.replay_checkpoint import read_lines

SERIES = (
    'mean_foreign_probability', 'ood_share', 'disparity_density', 'pixel_accuracy', 'miou', 'd1',
    'ood_ap')
"""Numbers of a pair in [0, 1]."""


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Columns of frames.jsonl.

    Attributes:
        index: (N,) int64, number of the pair in the replay.
        stamp_ns: (N,) int64, stamp of the pair [ns].
        bags: Name of the bag of every pair.
        series: Name of SERIES -> (N,) float64 in [0, 1], NaN if a pair has no value.
        seconds: Name of a stage -> (N,) float64, its time [s], NaN if it did not run; in the
            order of the pipeline.
    """

    index: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    bags: tuple[str, ...]
    series: dict[str, NDArray[np.float64]]
    seconds: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return self.index.size

    def has(self, name: str) -> bool:
        """True if any pair has a value in this series."""
        return bool(np.isfinite(self.series[name]).any())

    def mean(self, name: str) -> float:
        """Mean of a series over the pairs with a value; NaN if there are none."""
        return float(np.nanmean(self.series[name])) if self.has(name) else float('nan')

    @property
    def total_s(self) -> NDArray[np.float64]:
        """Total time of all stages of every pair, (N,) float64 [s]."""
        stages = list(self.seconds.values())
        return np.asarray(np.nansum(stages, axis=0)) if stages else np.full(len(self), np.nan)

    def bag_starts(self) -> list[tuple[int, str]]:
        """Row of the first pair of every bag, and the bag's name."""
        return [
            (row, bag) for row, bag in enumerate(self.bags)
            if row == 0 or bag != self.bags[row - 1]
        ]


@dataclass(frozen=True, slots=True)
class ReplayedConfiguration:
    """One configuration of a replay.

    Attributes:
        name: Name in comparisons.
        replay: Contents of replay.json: bags, settings, model, weights, taxonomy, completeness.
        scores: Contents of scores.json; empty if it has not been written yet.
        frames: Table of its pairs.
        pictures: Folder of its pictures.
    """

    name: str
    replay: dict[str, Any]
    scores: dict[str, Any]
    frames: FrameTable
    pictures: Path

    def score(self, *path: str) -> Any:
        """Value of scores.json at a path of keys; None if there is none."""
        value: Any = self.scores
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    @property
    def classes(self) -> list[dict[str, Any]]:
        """Classes of the network in the order of their ids."""
        return list(self.replay.get('taxonomy', {}).get('classes', ()))


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """Replay of one or more configurations.

    Attributes:
        path: Its folder.
        configurations: Configurations in the order of the comparison.
    """

    path: Path
    configurations: list[ReplayedConfiguration] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> ReportFolder:
        """Read the folder of a replay.

        Args:
            path: Folder with comparison.json and a folder for each configuration.

        Raises:
            ReplayError: It contains no replay, or a file is damaged.
        """
        names = _read_json(path / 'comparison.json').get('configurations')
        if not names:
            raise ReplayError(
                f'configurations of {path / "comparison.json"}', must_be='one name or more',
                got=names, do='replay a bag into this folder')
        return cls(path, [read_configuration(path / name) for name in names])


def read_configuration(folder: Path) -> ReplayedConfiguration:
    """Read one configuration of a replay.

    Args:
        folder: Folder with replay.json; its name is that of the configuration.

    Raises:
        ReplayError: A file is damaged.
    """
    scores = folder / 'scores.json'
    return ReplayedConfiguration(
        folder.name, _read_json(folder / 'replay.json'),
        _read_json(scores) if scores.is_file() else {},
        _read_frames(folder / 'frames.jsonl'), folder / 'pictures')


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise ReplayError(
            f'replay file {path}', must_be='a readable JSON file', got=str(error),
            do='replay again into this folder; what is done is kept') from error
    if not isinstance(values, dict):
        raise ReplayError(
            f'replay file {path}', must_be='a JSON object', got=type(values).__name__,
            do='replay into another folder')
    return values


def _read_frames(path: Path) -> FrameTable:
    try:
        lines = list(read_lines(path)) if path.is_file() else []
        stages = dict.fromkeys(stage for line in lines for stage in line['seconds'])
        return FrameTable(
            np.array([line['index'] for line in lines], np.int64),
            np.array([line['stamp_ns'] for line in lines], np.int64),
            tuple(Path(line['bag']).name for line in lines),
            {name: _column(lines, name) for name in SERIES},
            {stage: _column([line['seconds'] for line in lines], stage) for stage in stages},
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ReplayError(
            f'lines of {path}', must_be='one JSON object a pair, as a replay writes it',
            got=f'{type(error).__name__}: {error}', do='replay into another folder') from error


def _column(lines: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    values = (line.get(name) for line in lines)
    return np.array([np.nan if value is None else value for value in values], np.float64)
