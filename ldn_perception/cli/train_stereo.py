# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn train-stereo`: train the correspondence metric of the learned matcher, or go on with it."""

from __future__ import annotations

import argparse
from pathlib import Path
import time

from rich.console import Console
import torch

from ldn_perception.build_stereo import EMBEDDING_NORMALISATION
from ldn_perception.cli.train import WEIGHTS_FILE, follow_training, make_folder
from ldn_perception.cli.train import add_arguments as add_training_arguments
from ldn_perception.inference.device import choose_device
from ldn_perception.models.weights import save_weights
from ldn_perception.parameter_file import parse_assignments
from ldn_perception.stereo.patch_embedding import EMBEDDING_NAME
from ldn_perception.training.build_correspondence import build_correspondence_trainer
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe
from ldn_perception.training.correspondence_trainer import CorrespondenceTrainer


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
    if follow_training(
            trainer, console, stop_at, lambda record: record.accuracy, '{} matched', '.1%'):
        path = options.output / WEIGHTS_FILE
        _save(path, trainer, recipe)
        console.print(f'weights: {path}')
    return 0


def _save(path: Path, trainer: CorrespondenceTrainer, recipe: CorrespondenceRecipe) -> None:
    save_weights(
        path, trainer.network, EMBEDDING_NAME, (),
        {'num_maps': recipe.num_maps, 'num_layers': recipe.num_layers,
         'vector_cost': recipe.vector_cost, 'bit_cost': recipe.bit_cost,
         'recipe': recipe.to_values(), 'steps': trainer.num_steps, 'torch': torch.__version__},
        normalisation=EMBEDDING_NORMALISATION, dtype=torch.float16)
