# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn train`: train a network by a recipe, or go on with a training."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
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
import torch

from ldn_perception.cli.stop_signals import StopSignals
from ldn_perception.cli.training_table import training_table
from ldn_perception.errors import TrainingError
from ldn_perception.inference.device import choose_device
from ldn_perception.inference.host_memory import keep_freed_memory
from ldn_perception.models.weights import save_weights
from ldn_perception.parameter_file import parse_assignments
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.training.build import build_trainer
from ldn_perception.training.curves import draw_curves
from ldn_perception.training.loop import Record, TrainingLoop
from ldn_perception.training.recipe import TrainingRecipe
from ldn_perception.training.trainer import Trainer
from ldn_perception.training.training_logs import read_logs
from ldn_perception.training.workers import Workers

WEIGHTS_FILE = 'weights.safetensors'
_SMOOTHING = 0.98


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('--config', type=Path, required=True, help='recipe, see config/training')
    parser.add_argument('--output', type=Path, required=True,
                        help='folder of the training; one that was stopped goes on')
    parser.add_argument('--data', type=Path, default=Path(),
                        help='folder below which the datasets lie')
    parser.add_argument('--device', choices=('auto', 'cuda', 'cpu'), default='auto')
    parser.add_argument('--minutes', type=float, default=float('inf'),
                        help='stop with a snapshot after so long')
    parser.add_argument('--set', action='append', default=[], metavar='NAME=VALUE',
                        help='option of the recipe that is to be different')


def run(options: argparse.Namespace) -> int:
    """Train; with all steps done, write the weights."""
    stop_at = time.monotonic() + 60 * options.minutes
    keep_freed_memory()
    recipe = TrainingRecipe.from_yaml(
        options.config, parse_assignments(options.set, do='write an equals sign'))
    device = choose_device(options.device)
    workers = Workers.join(device)
    console = Console(quiet=workers.number > 0)
    try:
        make_folder(options.output)
        trainer = build_trainer(recipe, options.data, options.output, device, workers)
        console.print(training_table(trainer, workers))
        if follow_training(
                trainer, console, stop_at, lambda record: record.loss, 'loss {}', '.3f'):
            _finish(trainer, options.output, console, workers)
        if workers.number == 0:
            draw_curves(*read_logs(options.output), options.output / 'curves.png')
    finally:
        workers.leave()
    return 0


def follow_training(
    trainer: TrainingLoop[Record], console: Console, stop_at: float,
    figure: Callable[[Record], float], text: str, form: str,
) -> bool:
    """Train under a progress bar until all steps are done, a signal comes or the time is up.

    Args:
        trainer: The training.
        console: Where the bar is drawn.
        stop_at: Time of the monotonic clock to stop at [s].
        figure: Number of a step whose smoothed value is shown.
        text: Text around it, as in 'loss {}'.
        form: Format of the number, as in '.3f'.

    Returns:
        Whether all steps are done.
    """
    with StopSignals() as signals, Progress(
        TextColumn('training'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True), TextColumn('{task.fields[shown]}'),
        console=console, speed_estimate_period=600,
    ) as progress:
        task = progress.add_task(
            '', total=trainer.num_steps, completed=trainer.step, shown=text.format('unknown'))
        mean: list[float] = []

        def show(record: Record) -> None:
            now = figure(record)
            seen = mean.pop() if mean else now
            mean.append(_SMOOTHING * seen + (1 - _SMOOTHING) * now)
            progress.update(
                task, completed=trainer.step, shown=text.format(format(mean[0], form)))

        def should_stop() -> bool:
            return bool(signals.received) or time.monotonic() > stop_at

        is_done = trainer.train(should_stop, show)
    if signals.received:
        console.print(f'{signals.received} received, snapshot written')
    if not is_done:
        console.print(f'stopped after step {trainer.step} of {trainer.num_steps}; the same '
                      'command goes on')
    return is_done


def _finish(trainer: Trainer, output: Path, console: Console, workers: Workers) -> None:
    with Progress(console=console) as progress:
        task = progress.add_task('batch norm statistics')
        model = trainer.finish(
            lambda done, total: progress.update(task, completed=done, total=total))
    if workers.number:
        return
    recipe, taxonomy = trainer.recipe, TAXONOMIES[trainer.recipe.taxonomy]
    save_weights(
        output / WEIGHTS_FILE, model, recipe.model, taxonomy.class_names,
        {'recipe': recipe.to_values(), 'steps': trainer.num_steps,
         'torch': torch.__version__},
        class_colors=[info.color for info in taxonomy.classes], dtype=torch.float16)
    console.print(f'weights: {output / WEIGHTS_FILE}')


def make_folder(folder: Path) -> None:
    """Make the folder of a training.

    Raises:
        TrainingError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(
            f'output folder {folder}', must_be='a folder one can write to', got=error.strerror,
            do='choose another') from error
