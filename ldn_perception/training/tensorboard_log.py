# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The course of a training for TensorBoard, which is optional."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.errors import TrainingError
from ldn_perception.training.record_log import StepRecord, ValidationRecord


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
