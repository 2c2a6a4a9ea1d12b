# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One line of JSON for every step of a training."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ldn_perception.errors import TrainingError


class StepRecord(NamedTuple):
    """What is known of a step.

    Attributes:
        step: Its number, from 0.
        epoch: The epoch it began in, from 0.
        learning_rate: Of all but the backbone's pre-trained weights.
        loss: What was minimised.
        main_loss: Of the final predictions.
        auxiliary_loss: Of the coarser ones.
        seconds: Time it took, reading included [s].
    """

    step: int
    epoch: int
    learning_rate: float
    loss: float
    main_loss: float
    auxiliary_loss: float
    seconds: float


class ValidationRecord(NamedTuple):
    """How good the network was after a step, on one dataset.

    Attributes:
        step: Number of the step, from 0.
        epoch: Epochs done.
        dataset: Name and split of the dataset.
        mean_iou: Over the driving classes of the dataset that are in it, in [0, 1].
        pixel_accuracy: Part of the labelled pixels that are right, in [0, 1].
    """

    step: int
    epoch: int
    dataset: str
    mean_iou: float
    pixel_accuracy: float


class MatchRecord(NamedTuple):
    """What is known of a step of the training of a correspondence metric.

    Attributes:
        step: Its number, from 0.
        learning_rate: Of all weights.
        loss: What was minimised.
        accuracy: Part of the pixels whose most alike pixel of the line is the true one, in
            [0, 1].
        seconds: Time it took, reading included [s].
    """

    step: int
    learning_rate: float
    loss: float
    accuracy: float
    seconds: float


class MatchValidation(NamedTuple):
    """How good a correspondence metric was after a step, on pairs held out.

    Attributes:
        step: Number of the step, from 0.
        loss: As in `MatchRecord`.
        accuracy: As in `MatchRecord`.
    """

    step: int
    loss: float
    accuracy: float


Record = TypeVar('Record', StepRecord, ValidationRecord, MatchRecord, MatchValidation)


class RecordLog(Generic[Record]):
    """A file that grows by a line a record.

    Args:
        path: File to go on with, or to begin.
        kind: Class of its records.
        next_step: Lines of this and later steps are dropped: a training that was killed after
            its last snapshot does these steps again.

    Raises:
        TrainingError: The file holds something else.
    """

    def __init__(self, path: Path, kind: type[Record], next_step: int) -> None:
        kept = [record for record in read_records(path, kind) if record.step < next_step]
        partial = path.with_suffix('.partial')
        partial.write_text(''.join(_line(record) for record in kept))
        os.replace(partial, path)
        self._file = path.open('a', buffering=1)

    def add(self, record: Record) -> None:
        """Append a record; it is on the disk when the call returns, but for the system's cache."""
        self._file.write(_line(record))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Records in a file; a last line cut off by a crash is left out, as is a missing file.

    Raises:
        TrainingError: A line is none of these records.
    """
    if not path.is_file():
        return []
    whole = path.read_text().rpartition('\n')[0]
    try:
        return [kind(**json.loads(line)) for line in whole.splitlines()]
    except (ValueError, TypeError) as error:
        raise TrainingError(
            f'log {path}', must_be=f'lines of {", ".join(kind._fields)}', got=error,
            do='remove it') from error


def _line(record: StepRecord | ValidationRecord | MatchRecord | MatchValidation) -> str:
    return json.dumps(record._asdict()) + '\n'
