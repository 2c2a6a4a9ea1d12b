# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn train`: train what a recipe describes; a stopped training is resumed.

The key `task` of the recipe is segmentation (a network, the default) or correspondence (the metric
of the learned matcher). OUTPUT becomes a folder with snapshots, records of the steps and, in the
end, the weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
import torch

from ldn_perception.build_stereo import EMBEDDING_NORMALISATION
from ldn_perception.cli import options
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.processes import StopSignals
from ldn_perception.config import parse_assignments
from ldn_perception.errors import ConfigError
from ldn_perception.hardware import choose_device, keep_freed_memory
from ldn_perception.models.weights import save_weights
from ldn_perception.stereo.embeddings import EMBEDDING_NAME
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.training.build import build_trainer
from ldn_perception.training.correspondence_trainer import build_correspondence_trainer
from ldn_perception.training.curves import draw_curves
from ldn_perception.training.recipe import CorrespondenceRecipe, TrainingRecipe, read_recipe
from ldn_perception.training.trainer import Record, Trainer, TrainingLoop
from ldn_perception.training.training_files import read_logs
from ldn_perception.training.workers import Workers

EXAMPLE = 'ldn train --recipe config/training/ldn121_road.yaml --data DATA --output runs/road'

RECIPES = {recipe.task: recipe for recipe in (TrainingRecipe, CorrespondenceRecipe)}
"""Task -> class of its recipes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    options.add_recipe(parser)
    options.add_set(parser)
    options.add_data(parser, default='.')
    options.add_device(parser)
    options.add_output(parser)
    parser.add_argument(
        '--minutes', type=float, metavar='MINUTES', help='stop with a snapshot after this time')


def run(given: argparse.Namespace) -> int:
    """Train; write the weights after the last step."""
    minutes = float('inf') if given.minutes is None else given.minutes
    stop_at = time.monotonic() + 60 * minutes
    keep_freed_memory()
    recipe = build_recipe(given.recipe, parse_assignments(
        given.overrides, example='seed=1'))
    device = choose_device(given.device)
    make_output_folder(given.output)
    if isinstance(recipe, CorrespondenceRecipe):
        train_correspondence(recipe, given.data, given.output, device, stop_at)
    else:
        train_segmentation(recipe, given.data, given.output, device, stop_at)
    return 0


def build_recipe(path: Path, overrides: dict[str, Any]) -> TrainingRecipe | CorrespondenceRecipe:
    """Read a recipe of any task.

    Args:
        path: The recipe file.
        overrides: Values that override those of the file.

    Raises:
        ConfigError: The file is missing or not a recipe, its task is unknown, or a value is
            invalid.
    """
    values = {**read_recipe(path), **overrides}
    task = values.get('task', TrainingRecipe.task)
    if task not in RECIPES:
        raise ConfigError(
            'task of the recipe', must_be=f'one of {", ".join(RECIPES)}', got=repr(task),
            do='correct it')
    return RECIPES[task].from_values(values)


def train_segmentation(
    recipe: TrainingRecipe, data: Path, output: Path, device: torch.device, stop_at: float,
) -> None:
    """Train a network, in a single process or as one of the processes of torchrun.

    Args:
        recipe: The training recipe.
        data: Root folder of the data.
        output: Folder of the training.
        device: Device of the training.
        stop_at: Time on `time.monotonic` at which it stops with a snapshot [s].
    """
    workers = Workers.join(device)
    console = Console(quiet=workers.number > 0)
    try:
        trainer = build_trainer(recipe, data, output, device, workers)
        console.print(training_table(trainer, workers))
        if run_training(trainer, console, stop_at, 'loss {:.3f}', lambda record: record.loss):
            _finish(trainer, output, console, workers)
        if workers.number == 0:
            draw_curves(*read_logs(output), output / 'curves.png')
    finally:
        workers.leave()


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


def training_table(trainer: Trainer, workers: Workers) -> Table:
    """Table of network, domains, steps and device.

    Args:
        trainer: Trainer, possibly with completed steps.
        workers: Processes that train together.
    """
    recipe, batches = trainer.recipe, trainer.batches
    table = Table('training', 'of what', show_edge=False)
    table.add_row('network', f'{recipe.model}, {_millions(trainer):.2f} M parameters, '
                  f'{trainer.model.num_classes} classes ({recipe.taxonomy})')
    for domain, images in zip(recipe.domains, batches.domains, strict=True):
        table.add_row('domain', f'{domain.dataset} {domain.split}: {len(images.images)} images, '
                      f'{images.shown} an epoch')
    table.add_row('crops', f'{recipe.batch_size} of {recipe.crop_width_px} x '
                  f'{recipe.crop_height_px} px a step')
    table.add_row('steps', f'{trainer.num_steps} ({recipe.epochs} epochs), {trainer.step} done')
    processes = '' if workers.count == 1 else f', {workers.count} processes'
    table.add_row('device', f'{trainer.device}, {recipe.precision}{processes}')
    return table


def _millions(trainer: Trainer) -> float:
    """Millions of parameters, without the training-only heads."""
    return sum(
        value.numel() for name, value in trainer.model.named_parameters()
        if not name.startswith('auxiliary_heads.')) / 1e6


WEIGHTS_FILE = 'weights.safetensors'
_SMOOTHING = 0.98


def run_training(
    trainer: TrainingLoop[Record], console: Console, stop_at: float, text: str,
    measure: Callable[[Record], float],
) -> bool:
    """Run the remaining steps until a signal arrives or the time is over.

    Args:
        trainer: Trainer, possibly with completed steps.
        console: Console of the progress bar.
        stop_at: Time on `time.monotonic` at which it stops with a snapshot [s].
        text: Format of the number beside the progress bar.
        measure: Function from the record of a step to that number; its moving mean is shown.

    Returns:
        True if all steps are done.
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


def train_correspondence(
    recipe: CorrespondenceRecipe, data: Path, output: Path, device: torch.device, stop_at: float,
) -> None:
    """Train the correspondence metric; write the weights after the last step.

    Args:
        recipe: The training recipe.
        data: Root folder of the data.
        output: Folder of the training.
        device: Device of the training.
        stop_at: Time on `time.monotonic` at which it stops with a snapshot [s].
    """
    console = Console()
    trainer = build_correspondence_trainer(recipe, data, output, device)
    if run_training(
            trainer, console, stop_at, '{:.1%} matched', lambda record: record.accuracy):
        path = output / WEIGHTS_FILE
        save_weights(
            path, trainer.network, EMBEDDING_NAME, (),
            {'num_maps': recipe.num_maps, 'num_layers': recipe.num_layers,
             'vector_cost': recipe.vector_cost, 'bit_cost': recipe.bit_cost,
             'recipe': recipe.to_values(), 'steps': trainer.num_steps,
             'torch': torch.__version__},
            normalisation=EMBEDDING_NORMALISATION, dtype=torch.float16)
        console.print(f'weights: {path}')
