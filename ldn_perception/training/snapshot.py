# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a training on the disk."""

from __future__ import annotations

import os
from pathlib import Path
import pickle
from typing import Any, NamedTuple

import torch

from ldn_perception.errors import ConfigError, TrainingError
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe
from ldn_perception.training.recipe import TrainingRecipe


class Snapshot(NamedTuple):
    """All that a training needs to go on as if it had never stopped.

    Attributes:
        step: Steps done.
        model: State of the network.
        average: State of the moving average of its weights; empty without one.
        optimizer: State of the optimiser.
        recipe: The recipe, see `TrainingRecipe.to_values`.
    """

    step: int
    model: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    recipe: dict[str, Any]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot; a process killed on the way leaves the one before.

    Raises:
        TrainingError: It cannot be written there.
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
    """Read a snapshot of a training by a recipe; no code in it is run.

    Args:
        path: What `write_snapshot` wrote.
        recipe: Of the training that goes on; only free options may differ, see
            `FREE_OPTIONS`. An option that was not yet there has its default.

    Raises:
        TrainingError: It is damaged, or of a training by another recipe.
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
