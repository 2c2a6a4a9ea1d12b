# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bar, signals and time limit of a training."""

from __future__ import annotations

from collections.abc import Callable
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ldn_perception.cli.stop_signals import StopSignals
from ldn_perception.training.loop import Record, TrainingLoop

WEIGHTS_FILE = 'weights.safetensors'
_SMOOTHING = 0.98


def run_training(
    trainer: TrainingLoop[Record], console: Console, stop_at: float, text: str,
    measure: Callable[[Record], float],
) -> bool:
    """Do the steps that are left, until a signal comes or the time is over.

    Args:
        trainer: Built, perhaps with steps done.
        console: Console of the progress bar.
        stop_at: Time of `time.monotonic` at which it stops with a snapshot [s].
        text: Format of the number beside the bar.
        measure: Gives that number for the record of a step; a moving mean of it is shown.

    Returns:
        Whether all steps are done.
    """
    with StopSignals() as signals, Progress(
        TextColumn('training'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True), TextColumn('{task.fields[measured]}'),
        console=console, speed_estimate_period=600,
    ) as progress:
        task = progress.add_task(
            '', total=trainer.num_steps, completed=trainer.step, measured='')
        mean: list[float] = []

        def show(record: Record) -> None:
            value = measure(record)
            before = mean.pop() if mean else value
            mean.append(_SMOOTHING * before + (1 - _SMOOTHING) * value)
            progress.update(task, completed=trainer.step, measured=text.format(mean[0]))

        def should_stop() -> bool:
            return bool(signals.received) or time.monotonic() > stop_at

        is_done = trainer.train(should_stop, show)
    if signals.received:
        console.print(f'{signals.received} received, snapshot written')
    if not is_done:
        console.print(
            f'stopped after step {trainer.step} of {trainer.num_steps}; the same command goes on')
    return is_done
