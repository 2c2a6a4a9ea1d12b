# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training files: records, logs and snapshots."""

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
    """Record of a training step.

    Attributes:
        step: Step number, from 0.
        epoch: Epoch in which the step began, from 0.
        learning_rate: Learning rate of all weights except the pre-trained backbone's.
        loss: Minimised loss.
        main_loss: Loss of the final predictions.
        auxiliary_loss: Loss of the auxiliary heads.
        seconds: Duration, including data loading [s].
    """

    step: int
    epoch: int
    learning_rate: float
    loss: float
    main_loss: float
    auxiliary_loss: float
    seconds: float


class ValidationRecord(NamedTuple):
    """Validation scores on one dataset.

    Attributes:
        step: Step number, from 0.
        epoch: Completed epochs.
        dataset: Name and split of the dataset.
        mean_iou: Mean over the driving classes present in the dataset, in [0, 1].
        pixel_accuracy: Share of correct labelled pixels, in [0, 1].
    """

    step: int
    epoch: int
    dataset: str
    mean_iou: float
    pixel_accuracy: float


class MatchRecord(NamedTuple):
    """Record of a step of a correspondence training.

    Attributes:
        step: Step number, from 0.
        learning_rate: Learning rate of all weights.
        loss: Minimised loss.
        accuracy: Share of the pixels whose most similar pixel of the line is the true match, in
            [0, 1].
        seconds: Duration, including data loading [s].
    """

    step: int
    learning_rate: float
    loss: float
    accuracy: float
    seconds: float


class MatchValidation(NamedTuple):
    """Validation scores of a correspondence metric on held-out pairs.

    Attributes:
        step: Step number, from 0.
        loss: As in `MatchRecord`.
        accuracy: As in `MatchRecord`.
    """

    step: int
    loss: float
    accuracy: float


Record = TypeVar('Record', StepRecord, ValidationRecord, MatchRecord, MatchValidation)


class RecordLog(Generic[Record]):
    """Append-only log with one line per record.

    Args:
        path: File to continue or to create.
        kind: Class of the records.
        next_step: Records from this step on are dropped: a killed training repeats the steps after
            its last snapshot.

    Raises:
        TrainingError: The file has other content.
    """

    def __init__(self, path: Path, kind: type[Record], next_step: int) -> None:
        kept = [record for record in read_records(path, kind) if record.step < next_step]
        partial = path.with_suffix('.partial')
        partial.write_text(''.join(_line(record) for record in kept))
        os.replace(partial, path)
        self._file = path.open('a', buffering=1)

    def add(self, record: Record) -> None:
        """Append a record; it is passed to the operating system before the call returns."""
        self._file.write(_line(record))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read the records of a file; a truncated last line or a missing file is accepted.

    Raises:
        TrainingError: A line is not a record of this kind.
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
    """Records of steps and validations in a training folder.

    Args:
        folder: Training folder with `steps.jsonl`, `validation.jsonl` and optionally
            `tensorboard`.
        next_step: Records from this step on are dropped.
        tensorboard: True to write TensorBoard events too.

    Raises:
        TrainingError: The files have other content, or TensorBoard is not installed.
    """

    def __init__(self, folder: Path, next_step: int, *, tensorboard: bool) -> None:
        self._board = TensorBoardLog(folder / 'tensorboard', next_step) if tensorboard else None
        self._steps = RecordLog(_steps(folder), StepRecord, next_step)
        self._validations = RecordLog(_validations(folder), ValidationRecord, next_step)

    def add_step(self, record: StepRecord) -> None:
        """Append a step record."""
        self._steps.add(record)
        if self._board is not None:
            self._board.add_step(record)

    def add_validation(self, record: ValidationRecord) -> None:
        """Append a validation record."""
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
    """Read the step and validation records of a training.

    Raises:
        TrainingError: The files have other content.
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
    """TensorBoard event files with losses, learning rate and validation scores.

    Args:
        folder: Folder of the event files.
        next_step: Records of earlier event files from this step on are hidden.

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
        """Add losses and learning rate of a step."""
        for name in ('loss', 'main_loss', 'auxiliary_loss', 'learning_rate'):
            self._writer.add_scalar(f'training/{name}', getattr(record, name), record.step)

    def add_validation(self, record: ValidationRecord) -> None:
        """Add the validation scores of a dataset."""
        for name in ('mean_iou', 'pixel_accuracy'):
            tag = f'validation/{record.dataset}/{name}'.replace(' ', '_')
            self._writer.add_scalar(tag, getattr(record, name), record.step)

    def close(self) -> None:
        """Flush and close the files."""
        self._writer.close()


class Snapshot(NamedTuple):
    """Complete state of a training, for an exact resume.

    Attributes:
        step: Completed steps.
        model: State of the network.
        average: State of the moving average of the weights; empty if unused.
        optimizer: State of the optimiser.
        recipe: Values of the recipe, see `TrainingRecipe.to_values`.
    """

    step: int
    model: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    recipe: dict[str, Any]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot atomically; a killed process leaves the previous one.

    Raises:
        TrainingError: The file cannot be written.
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
    """Read the snapshot of a training; no code in the file is executed.

    Args:
        path: File written by `write_snapshot`.
        recipe: Recipe of the resumed training; only free options may differ, see
            `FREE_OPTIONS`. Options missing in the snapshot have their defaults.

    Raises:
        TrainingError: The file is damaged, or of a training by another recipe.
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
