# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training of the correspondence metric of the learned matcher, as `ldn train` runs it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
import torch

from ldn_perception.build_stereo import EMBEDDING_NORMALISATION
from ldn_perception.cli.training_progress import WEIGHTS_FILE, run_training
from ldn_perception.models.weights import save_weights
from ldn_perception.stereo.patch_embedding import EMBEDDING_NAME
from ldn_perception.training.build_correspondence import build_correspondence_trainer
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe


def train_correspondence(
    recipe: CorrespondenceRecipe, data: Path, output: Path, device: torch.device, stop_at: float,
) -> None:
    """Train the metric; with all steps done, write the weights.

    Args:
        recipe: The training.
        data: Folder of all data.
        output: Folder of the training.
        device: Where it computes.
        stop_at: Time of `time.monotonic` at which it stops with a snapshot [s].
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
