# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From a recipe to a trainer.

This module and build_domains are the only ones of this room that choose classes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ldn_perception.datasets.augmentation import Augmentation
from ldn_perception.datasets.camera_look import CameraLook
from ldn_perception.datasets.registry import build_dataset
from ldn_perception.errors import TrainingError
from ldn_perception.models.checkpointing import checkpoint_model
from ldn_perception.models.imagenet_weights import load_imagenet_weights
from ldn_perception.models.initialisation import initialise
from ldn_perception.models.ladder_design import build_ladder_network
from ldn_perception.models.ladder_presets import LADDER_DESIGNS
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.models.weights import load_weights
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.training.build_domains import build_domains
from ldn_perception.training.losses import SegmentationLoss
from ldn_perception.training.mixed_batches import MixedBatches
from ldn_perception.training.optimizer import find_backbone
from ldn_perception.training.recipe import TrainingRecipe, ValidationRecipe
from ldn_perception.training.trainer import Trainer
from ldn_perception.training.validation import Validation, ValidationDomain
from ldn_perception.training.workers import Workers


def build_trainer(
    recipe: TrainingRecipe, data: Path, folder: Path, device: torch.device, workers: Workers,
) -> Trainer:
    """Build what a recipe describes; a training that stopped in the folder goes on.

    Args:
        recipe: The training.
        data: Folder of all data; the roots of the domains lie below it.
        folder: Where the training keeps its state.
        device: Where it computes.
        workers: The processes that train together.

    Raises:
        DatasetError: A dataset is missing or damaged.
        ModelError: The network cannot be built or its weights not loaded.
        TaxonomyError: Nothing is known of how a dataset's labels fit the taxonomy.
        TrainingError: The taxonomy is unknown, the domains cannot be built, or the processes
            cannot share a batch evenly.
    """
    if recipe.batch_size % workers.count:
        raise TrainingError(
            'batch_size', must_be=f'a multiple of the {workers.count} processes',
            got=recipe.batch_size, do='change one of the two')
    taxonomy = _find_taxonomy(recipe.taxonomy)
    domains, sets = build_domains(recipe.domains, data, taxonomy)
    batches = MixedBatches(
        domains, _build_augmentation(recipe), sets.unknown, recipe.batch_size, recipe.seed,
        worker=workers.number, num_workers=workers.count)
    model = build_network(recipe, taxonomy)
    loss = SegmentationLoss(
        torch.from_numpy(sets.table), recipe.auxiliary_weight,
        class_balancing=recipe.class_balancing, sum_over_workers=workers.sum,
        num_workers=workers.count)
    validation = None
    if recipe.validation:
        validation = Validation([
            _open_validation(domain, data, taxonomy) for domain in recipe.validation], workers)
    return Trainer(model, batches, loss, recipe, folder, device, workers, validation)


def build_network(recipe: TrainingRecipe, taxonomy: Taxonomy) -> SegmentationModel:
    """Build the network to be trained, with the weights it begins with and auxiliary heads.

    Raises:
        ModelError: Weights are missing or for another network.
        TrainingError: ImageNet weights are wanted for a network without a backbone.
    """
    model = build_model(recipe.model, len(taxonomy), recipe.seed)
    if recipe.initial_weights:
        load_weights(Path(recipe.initial_weights), model, recipe.model, taxonomy.class_names)
    if recipe.imagenet_weights:
        _load_imagenet_weights(model, recipe)
    if recipe.auxiliary_weight and recipe.model in LADDER_DESIGNS:
        model = _with_auxiliary_heads(recipe, model, len(taxonomy))
    checkpoint_model(model, recipe.checkpointing)
    return model


def _with_auxiliary_heads(
    recipe: TrainingRecipe, model: SegmentationModel, num_classes: int
) -> SegmentationModel:
    design = replace(LADDER_DESIGNS[recipe.model], auxiliary_heads=True)
    with_heads = build_ladder_network(design, num_classes)
    initialise(with_heads, recipe.seed)
    with_heads.load_state_dict({**with_heads.state_dict(), **model.state_dict()})
    return with_heads


def _load_imagenet_weights(model: SegmentationModel, recipe: TrainingRecipe) -> None:
    backbone = find_backbone(model)
    if backbone is None:
        raise TrainingError(
            'imagenet_weights', must_be=f'empty for {recipe.model}, which has no backbone',
            got=repr(recipe.imagenet_weights), do='remove the option')
    load_imagenet_weights(backbone, recipe.imagenet_weights)


def _find_taxonomy(name: str) -> Taxonomy:
    if name not in TAXONOMIES:
        raise TrainingError(
            'taxonomy', must_be=f'one of {", ".join(TAXONOMIES)}', got=repr(name),
            do='choose one of them')
    return TAXONOMIES[name]


def _open_validation(
    domain: ValidationRecipe, data: Path, taxonomy: Taxonomy
) -> ValidationDomain:
    images = build_dataset(domain.dataset, data / domain.root, domain.split)
    return ValidationDomain(
        f'{domain.dataset} {domain.split}', images, label_mapping(images.taxonomy, taxonomy))


def _build_augmentation(recipe: TrainingRecipe) -> Augmentation:
    return Augmentation(
        recipe.crop_height_px, recipe.crop_width_px, recipe.smallest_scale,
        recipe.largest_scale, CameraLook(
            recipe.colour_jitter, recipe.grey_share, recipe.white_balance, recipe.sharpness))
