# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One line of JSON for every pair, and what all of them say together."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
import hashlib
import json
import math
from pathlib import Path
from typing import IO, Any

import numpy as np

from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.latency import DurationSummary
from ldn_perception.evaluation.pair_scorer import PairScores
from ldn_perception.frames import PerceptionResult

_MEANS = ('mean_foreign_probability', 'ood_share', 'disparity_density')


def frame_line(
    index: int, bag: Path, result: PerceptionResult, seconds: Mapping[str, float],
    scores: PairScores,
) -> dict[str, Any]:
    """Line of a pair.

    Args:
        index: Number of the pair in the replay.
        bag: Where it is from.
        result: Of the pair, with foreign probability and mask.
        seconds: Time of each stage [s].
        scores: Of the pair.
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
        'disparity_density': None if result.disparity is None else result.disparity.density,
        'seconds': {stage: round(time, 6) for stage, time in seconds.items()},
        **{name: value for name, value in scored.items() if not math.isnan(value)},
    }


def summarise_lines(lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Latency of each stage, and what the pairs are like in the mean.

    Memory grows by five numbers a pair.

    Args:
        lines: As `frame_line` gives them.
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
    """Open a file of lines to append to it, cut off where it was when it was last whole.

    Raises:
        ReplayError: It is shorter.
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
    """Append a line; a crash of the process does not take it."""
    file.write(json.dumps(line).encode() + b'\n')
    file.flush()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a file; one that a crash has cut short is left out."""
    with path.open() as file:
        for line in file:
            if line.endswith('\n'):
                yield json.loads(line)
