# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn train`: the training that a recipe describes; one that was stopped goes on.

The key `task` of the recipe says what is trained: segmentation (a network, the default) or
correspondence (the metric of the learned matcher). OUTPUT becomes a folder with snapshots, records
of the steps and, in the end, the weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import time
from typing import Any

from rich.console import Console
from rich.progress import Progress
import torch

from ldn_perception.cli import options
from ldn_perception.cli.outputs import make_output_folder
from ldn_perception.cli.train_correspondence import train_correspondence
from ldn_perception.cli.training_progress import WEIGHTS_FILE, run_training
from ldn_perception.cli.training_table import training_table
from ldn_perception.errors import ConfigError
from ldn_perception.inference.device import choose_device
from ldn_perception.inference.host_memory import keep_freed_memory
from ldn_perception.models.weights import save_weights
from ldn_perception.parameter_file import parse_assignments
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.training.build import build_trainer
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe
from ldn_perception.training.curves import draw_curves
from ldn_perception.training.recipe import TrainingRecipe, read_recipe
from ldn_perception.training.trainer import Trainer
from ldn_perception.training.training_logs import read_logs
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
    """Train; with all steps done, write the weights."""
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
        overrides: Values that win over those of the file.

    Raises:
        ConfigError: The file is missing or no recipe, its task is unknown, or a value is wrong.
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
    """Train a network, alone or as one of the processes of torchrun.

    Args:
        recipe: The training.
        data: Folder of all data.
        output: Folder of the training.
        device: Where it computes.
        stop_at: Time of `time.monotonic` at which it stops with a snapshot [s].
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
