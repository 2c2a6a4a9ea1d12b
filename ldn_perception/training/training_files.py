# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files of a training: records, logs and snapshots."""

from __future__ import annotations

import json
import os
from pathlib import Path
import pickle
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from ldn_perception.errors import ConfigError, TrainingError
from ldn_perception.training.recipe import CorrespondenceRecipe, TrainingRecipe


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


class TrainingLogs:
    """Records of the steps and validations in the folder of a training.

    Args:
        folder: Gets or has `steps.jsonl`, `validation.jsonl` and, if asked for, `tensorboard`.
        next_step: What they hold of this and later steps is dropped.
        tensorboard: Whether TensorBoard gets them too.

    Raises:
        TrainingError: The files hold something else, or TensorBoard is not installed.
    """

    def __init__(self, folder: Path, next_step: int, *, tensorboard: bool) -> None:
        self._board = TensorBoardLog(folder / 'tensorboard', next_step) if tensorboard else None
        self._steps = RecordLog(_steps(folder), StepRecord, next_step)
        self._validations = RecordLog(_validations(folder), ValidationRecord, next_step)

    def add_step(self, record: StepRecord) -> None:
        """Append a step."""
        self._steps.add(record)
        if self._board is not None:
            self._board.add_step(record)

    def add_validation(self, record: ValidationRecord) -> None:
        """Append the scores on a dataset."""
        self._validations.add(record)
        if self._board is not None:
            self._board.add_validation(record)

    def close(self) -> None:
        """Close all files."""
        self._steps.close()
        self._validations.close()
        if self._board is not None:
            self._board.close()


def read_logs(folder: Path) -> tuple[list[StepRecord], list[ValidationRecord]]:
    """Steps and validations of a training so far.

    Raises:
        TrainingError: The files hold something else.
    """
    return (
        read_records(_steps(folder), StepRecord),
        read_records(_validations(folder), ValidationRecord),
    )


def _steps(folder: Path) -> Path:
    return folder / 'steps.jsonl'


def _validations(folder: Path) -> Path:
    return folder / 'validation.jsonl'


class TensorBoardLog:
    """Event files with the losses, the learning rate and the validation.

    Args:
        folder: Where they are written.
        next_step: What earlier event files hold of this and later steps is hidden.

    Raises:
        TrainingError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, next_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TrainingError(
                'tensorboard', must_be='installed where a recipe asks for it', got=error,
                do='pip install tensorboard, or set tensorboard: false') from error
        self._writer = SummaryWriter(str(folder), purge_step=next_step)

    def add_step(self, record: StepRecord) -> None:
        """Add the losses and the learning rate of a step."""
        for name in ('loss', 'main_loss', 'auxiliary_loss', 'learning_rate'):
            self._writer.add_scalar(f'training/{name}', getattr(record, name), record.step)

    def add_validation(self, record: ValidationRecord) -> None:
        """Add the scores on a dataset."""
        for name in ('mean_iou', 'pixel_accuracy'):
            tag = f'validation/{record.dataset}/{name}'.replace(' ', '_')
            self._writer.add_scalar(tag, getattr(record, name), record.step)

    def close(self) -> None:
        """Write what is pending."""
        self._writer.close()


class Snapshot(NamedTuple):
    """All that a training needs to go on as if it had never stopped.

    Attributes:
        step: Steps done.
        model: State of the network.
        average: State of the moving average of its weights; empty without one.
        optimizer: State of the optimiser.
        recipe: The recipe, see `TrainingRecipe.to_values`.
    """

    step: int
    model: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    recipe: dict[str, Any]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot; a process killed on the way leaves the one before.

    Raises:
        TrainingError: It cannot be written there.
    """
    partial = path.with_suffix('.partial')
    try:
        torch.save(snapshot._asdict(), partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f'snapshot {path}', must_be='writable', got=error, do='make room or choose another'
            ' folder') from error


def read_snapshot(path: Path, recipe: TrainingRecipe | CorrespondenceRecipe) -> Snapshot:
    """Read a snapshot of a training by a recipe; no code in it is run.

    Args:
        path: What `write_snapshot` wrote.
        recipe: Of the training that goes on; only free options may differ, see
            `FREE_OPTIONS`. An option that was not yet there has its default.

    Raises:
        TrainingError: It is damaged, or of a training by another recipe.
    """
    try:
        snapshot = Snapshot(**torch.load(path, map_location='cpu', weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(
            f'snapshot {path}', must_be='written by ldn train', got=error,
            do='remove it to begin anew') from error
    try:
        different = _differences(recipe, snapshot.recipe)
    except ConfigError as error:
        raise TrainingError(
            f'recipe in the snapshot {path}', must_be='one of this version', got=f'one where '
            f'{error}', do='finish the training with the version that began it') from error
    if different:
        raise TrainingError(
            f'recipe of the training in {path.parent}', must_be='as it was at its beginning',
            got=f'another {", ".join(different)}', do='choose another output folder')
    return snapshot


def _differences(
    recipe: TrainingRecipe | CorrespondenceRecipe, values: dict[str, Any],
) -> list[str]:
    if isinstance(recipe, TrainingRecipe):
        return recipe.differences(TrainingRecipe.from_values(values))
    return recipe.differences(CorrespondenceRecipe.from_values(values))
