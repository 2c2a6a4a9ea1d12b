# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn train-stereo`: train the correspondence metric of the learned matcher, or go on with it."""

from __future__ import annotations

import argparse
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

from ldn_perception.build_stereo import EMBEDDING_NORMALISATION
from ldn_perception.cli.stop_signals import StopSignals
from ldn_perception.cli.train import WEIGHTS_FILE, make_folder
from ldn_perception.cli.train import add_arguments as add_training_arguments
from ldn_perception.inference.device import choose_device
from ldn_perception.models.weights import save_weights
from ldn_perception.parameter_file import parse_assignments
from ldn_perception.stereo.patch_embedding import EMBEDDING_NAME
from ldn_perception.training.build_correspondence import build_correspondence_trainer
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe
from ldn_perception.training.correspondence_trainer import CorrespondenceTrainer
from ldn_perception.training.record_log import MatchRecord

_SMOOTHING = 0.98


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    add_training_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train; with all steps done, write the weights."""
    stop_at = time.monotonic() + 60 * options.minutes
    recipe = CorrespondenceRecipe.from_yaml(
        options.config, parse_assignments(options.set, do='write an equals sign'))
    device = choose_device(options.device)
    console = Console()
    make_folder(options.output)
    trainer = build_correspondence_trainer(recipe, options.data, options.output, device)
    if _train(trainer, console, stop_at):
        path = options.output / WEIGHTS_FILE
        _save(path, trainer, recipe)
        console.print(f'weights: {path}')
    else:
        console.print(f'stopped after step {trainer.step} of {trainer.num_steps}; the same '
                      'command goes on')
    return 0


def _train(trainer: CorrespondenceTrainer, console: Console, stop_at: float) -> bool:
    with StopSignals() as signals, Progress(
        TextColumn('training'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn('{task.fields[accuracy]} matched'), console=console,
        speed_estimate_period=600,
    ) as progress:
        task = progress.add_task(
            '', total=trainer.num_steps, completed=trainer.step, accuracy='unknown')
        mean: list[float] = []

        def show(record: MatchRecord) -> None:
            seen = mean.pop() if mean else record.accuracy
            mean.append(_SMOOTHING * seen + (1 - _SMOOTHING) * record.accuracy)
            progress.update(task, completed=record.step + 1, accuracy=f'{mean[0]:.1%}')

        def should_stop() -> bool:
            return bool(signals.received) or time.monotonic() > stop_at

        is_done = trainer.train(should_stop, show)
    if signals.received:
        console.print(f'{signals.received} received, snapshot written')
    return is_done


def _save(path: Path, trainer: CorrespondenceTrainer, recipe: CorrespondenceRecipe) -> None:
    save_weights(
        path, trainer.network, EMBEDDING_NAME, (),
        {'num_maps': recipe.num_maps, 'num_layers': recipe.num_layers,
         'vector_cost': recipe.vector_cost, 'bit_cost': recipe.bit_cost,
         'recipe': recipe.to_values(), 'steps': trainer.num_steps, 'torch': torch.__version__},
        normalisation=EMBEDDING_NORMALISATION, dtype=torch.float16)
