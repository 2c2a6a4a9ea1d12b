# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All that a training writes down on its way."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.training.record_log import (
    RecordLog,
    StepRecord,
    ValidationRecord,
    read_records,
)
from ldn_perception.training.tensorboard_log import TensorBoardLog


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
