# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Construction of a trainer and its domains from a recipe.

The only module of this package that chooses classes of networks, datasets and losses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.data.augmentation import Augmentation, CameraLook
from ldn_perception.data.foreign_cutouts import ForeignCutouts, foreign_things
from ldn_perception.data.labelled_images import ImagesOfSetting, LabelledImages, SettingClasses
from ldn_perception.data.registry import build_dataset
from ldn_perception.errors import TrainingError
from ldn_perception.models.checkpointing import checkpoint_model
from ldn_perception.models.imagenet_weights import load_imagenet_weights
from ldn_perception.models.registry import (
    LADDER_DESIGNS,
    build_ladder_network,
    build_model,
    initialise,
)
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.models.weights import load_weights
from ldn_perception.taxonomy import COCO_PANOPTIC, MSRC_V2, TAXONOMIES, UNIVERSAL, Taxonomy
from ldn_perception.taxonomy.driving import SURROUNDING_CLASSES
from ldn_perception.taxonomy.everyday import COCO_THINGS, MSRC_V2_THINGS
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.losses import SegmentationLoss
from ldn_perception.training.mixed_batches import LabelSets, MixedBatches, TrainingDomain
from ldn_perception.training.recipe import DomainRecipe, TrainingRecipe, ValidationRecipe
from ldn_perception.training.street_changes import (
    CutoutSource,
    Pasting,
    Resurfacing,
    RoadPainting,
    SceneryChange,
    ScenerySource,
    StreetChange,
)
from ldn_perception.training.trainer import Trainer, find_backbone
from ldn_perception.training.validation import Validation, ValidationDomain
from ldn_perception.training.workers import Workers


def build_trainer(
    recipe: TrainingRecipe, data: Path, folder: Path, device: torch.device, workers: Workers,
) -> Trainer:
    """Build the trainer of a recipe; resumes a stopped training in the folder.

    Args:
        recipe: Training recipe.
        data: Root folder of all data; domain roots are relative to it.
        folder: Training folder, for snapshots and logs.
        device: Device of the training.
        workers: Processes of a distributed training.

    Raises:
        DatasetError: A dataset is missing or damaged.
        ModelError: The network cannot be built, or its weights cannot be loaded.
        TaxonomyError: There is no mapping from a dataset's labels to the taxonomy.
        TrainingError: The taxonomy is unknown, the domains cannot be built, or the batch size is
            not divisible by the number of processes.
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
    """Build the network to train, with its initial weights and auxiliary heads.

    Raises:
        ModelError: Weights are missing or belong to another network.
        TrainingError: ImageNet weights are requested for a network without a backbone.
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


_THINGS = {COCO_PANOPTIC.name: COCO_THINGS, MSRC_V2.name: MSRC_V2_THINGS}

ROAD_CLASSES = ('road', 'sidewalk', 'pavement', 'pavement-merged')
"""Class names, in any dataset, of the ground that pasted objects stand on and that is
resurfaced. Their presence makes a photograph a road image."""

REPLACEABLE_CLASSES = (
    'building', 'wall', 'fence', 'vegetation', 'tree', 'terrain', 'sky', 'sidewalk', 'pavement')
"""Class names, in any dataset, of road surroundings that other scenery may hide."""

INDOOR_CLASSES = ('furniture', 'household object', 'food', 'indoor surface')
OUTDOOR_CLASSES = ('vegetation', 'terrain', 'sky', *SURROUNDING_CLASSES)
UPRIGHT_CLASSES = ('vegetation', 'sky')
"""Universal classes that indicate the setting of a photograph; UPRIGHT_CLASSES are the outdoor
classes that are not ground."""


@dataclass(frozen=True)
class _Source:
    """Dataset with its label mappings."""

    images: LabelledImages
    mapping: LabelMapping
    taught: LabelMapping
    """Mapping used for the training targets."""


def build_domains(
    recipes: Sequence[DomainRecipe], data: Path, taxonomy: Taxonomy
) -> tuple[list[TrainingDomain], LabelSets]:
    """Open the datasets of a training.

    Args:
        recipes: Domains of the training.
        data: Root folder of all data; domain roots are relative to it.
        taxonomy: Class list of the network.

    Returns:
        The domains, and the label sets of their targets.

    Raises:
        DatasetError: A dataset is missing or damaged.
        TaxonomyError: There is no mapping from a dataset's labels to the taxonomy.
        TrainingError: Objects cannot be cut out of a dataset, or roads are to be painted without
            any road label.
    """
    sources = [_open_source(recipe, data, taxonomy) for recipe in recipes]
    scenery = _scenery_sources(recipes, sources)
    # A tree beside a road is a tree, whatever its source: scenery is trained by its classes.
    sets = LabelSets([
        *(source.taught for source in sources), *(source.mapping for source in scenery)])
    cutouts = [
        CutoutSource(_cut_out(sources[number]), sets.targets[number])
        for number, recipe in enumerate(recipes)
        if recipe.is_cutout_source and any(each.paste_share for each in recipes)]
    nature = [
        _nature(source, targets)
        for source, targets in zip(scenery, sets.targets[len(sources):], strict=True)]
    domains = [
        TrainingDomain(source.images, targets, recipe.repeat, _street_changes(
            recipe, source.images.taxonomy, sets, nature, cutouts))
        for recipe, source, targets in zip(recipes, sources, sets.targets, strict=False)]
    return domains, sets


def _open_source(domain: DomainRecipe, data: Path, taxonomy: Taxonomy) -> _Source:
    images = build_dataset(domain.dataset, data / domain.root, domain.split)
    mapping = label_mapping(images.taxonomy, taxonomy)
    if domain.setting != 'all':
        images = ImagesOfSetting(images, domain.setting, _setting_classes(images.taxonomy))
    return _Source(images, mapping, mapping.wholly_foreign() if domain.wholly_foreign else mapping)


def _setting_classes(taxonomy: Taxonomy) -> SettingClasses:
    universal = label_mapping(taxonomy, UNIVERSAL)
    outdoor = _classes_within(universal, OUTDOOR_CLASSES)
    upright = [set(universal.sets[name]) <= set(UPRIGHT_CLASSES) for name in outdoor]
    return SettingClasses(
        indoor=_classes_within(universal, INDOOR_CLASSES), outdoor=outdoor,
        road=[name for name in taxonomy.class_names if name in ROAD_CLASSES],
        ground=[name for name, stands in zip(outdoor, upright, strict=True) if not stands])


def _classes_within(mapping: LabelMapping, names: Collection[str]) -> list[str]:
    """Classes of a dataset that map only to the given target classes."""
    return [
        name for name, targets in mapping.sets.items() if targets and set(targets) <= set(names)]


def _scenery_sources(
    recipes: Sequence[DomainRecipe], sources: Sequence[_Source]
) -> list[_Source]:
    changes = any(recipe.scenery_share for recipe in recipes)
    return [
        source for recipe, source in zip(recipes, sources, strict=True)
        if changes and recipe.is_scenery_source]


def _nature(source: _Source, targets: NDArray[np.uint8]) -> ScenerySource:
    taxonomy = source.images.taxonomy
    classes = _setting_classes(taxonomy)
    return ScenerySource(
        ImagesOfSetting(source.images, 'outdoor', classes), targets,
        _labels_named(taxonomy, classes.outdoor))


def _cut_out(source: _Source) -> ForeignCutouts:
    taxonomy = source.images.taxonomy
    if taxonomy.name not in _THINGS:
        raise TrainingError(
            'cutout source', must_be=f'a dataset with classes of {" or ".join(_THINGS)}',
            got=taxonomy.name, do='set is_cutout_source for another domain')
    return ForeignCutouts(
        source.images, foreign_things(source.mapping, _THINGS[taxonomy.name]))


def _street_changes(
    recipe: DomainRecipe, taxonomy: Taxonomy, sets: LabelSets, scenery: Sequence[ScenerySource],
    cutouts: Sequence[CutoutSource],
) -> list[StreetChange]:
    """Street changes in the order of application; later ones cover earlier ones."""
    road = _labels_named(taxonomy, ROAD_CLASSES)
    changes: list[StreetChange] = []
    if recipe.resurfacing_share:
        changes.append(Resurfacing(recipe.resurfacing_share, road))
    if recipe.scenery_share:
        changes.append(SceneryChange(
            recipe.scenery_share, scenery, _labels_named(taxonomy, REPLACEABLE_CLASSES)))
    if recipe.painted_road_share:
        changes.append(RoadPainting(
            recipe.painted_road_share, _labels_named(taxonomy, _setting_classes(taxonomy).ground),
            sets.target_of('road')))
    if recipe.paste_share:
        changes.append(Pasting(recipe.paste_share, cutouts, road))
    return changes


def _labels_named(taxonomy: Taxonomy, names: Collection[str]) -> NDArray[np.bool_]:
    labels = np.zeros(256, np.bool_)
    labels[:len(taxonomy)] = [name in names for name in taxonomy.class_names]
    return labels
