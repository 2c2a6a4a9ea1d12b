# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From the recipe of a correspondence metric to its trainer."""

from __future__ import annotations

from pathlib import Path

import torch

from ldn_perception.datasets.registry import STEREO_DATASETS
from ldn_perception.datasets.stereo_pairs import StereoPairs
from ldn_perception.datasets.warped_photographs import WarpedPhotographs
from ldn_perception.errors import ConfigError
from ldn_perception.models.weights import load_weights
from ldn_perception.stereo.census_cost import CensusCost
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.stereo.patch_embedding import EMBEDDING_NAME, PatchEmbedding
from ldn_perception.stereo.semi_global_block_matcher import SemiGlobalBlockMatcher
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher
from ldn_perception.training.agreed_pairs import AgreedPairs
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe, PairDomain
from ldn_perception.training.correspondence_trainer import CorrespondenceTrainer
from ldn_perception.training.pair_batches import DrawnDomain, PairBatches
from ldn_perception.training.pair_views import PairViews

WARPED, AGREED = 'warped_photographs', 'agreed_pairs'
_VARIANTS = {'domains': ('train', 1000), 'validation': ('val', 1)}
"""List of a recipe -> which photographs are warped, and how often each."""


def build_correspondence_trainer(
    recipe: CorrespondenceRecipe, data: Path, folder: Path, device: torch.device,
) -> CorrespondenceTrainer:
    """Build the trainer; in a folder with a snapshot it goes on.

    Args:
        recipe: The recipe.
        data: Folder below which the datasets lie.
        folder: Folder of the training.
        device: Where it is trained.

    Raises:
        ConfigError: There is no such dataset.
        DatasetError: Files are missing.
        ModelError: The initial weights are missing or of another network.
        TrainingError: The snapshot is damaged or of another recipe.
    """
    torch.manual_seed(recipe.seed)
    network = PatchEmbedding(recipe.num_maps, recipe.num_layers)
    if recipe.initial_weights:
        load_weights(recipe.initial_weights, network, EMBEDDING_NAME, ())
    batches = PairBatches(
        open_domains('domains', recipe.domains, data), PairViews(recipe), recipe.batch_pairs,
        recipe.seed)
    held_out = PairBatches(
        open_domains('validation', recipe.validation, data), PairViews(recipe),
        recipe.batch_pairs, recipe.seed,
    ) if recipe.validation else None
    return CorrespondenceTrainer(network, batches, recipe, folder, device, held_out)


def open_domains(
    use: str, domains: tuple[PairDomain, ...], data: Path,
) -> list[DrawnDomain]:
    """Open the datasets of a recipe.

    Args:
        use: 'domains' or 'validation'; every fifth photograph is for validation.
        domains: Of the recipe.
        data: Folder below which they lie.

    Raises:
        ConfigError: There is no such dataset.
        DatasetError: Files are missing.
    """
    return [DrawnDomain(_open(use, domain, data / domain.root), domain.share)
            for domain in domains]


def _open(use: str, domain: PairDomain, root: Path) -> StereoPairs:
    if domain.dataset == WARPED:
        split, variants = _VARIANTS[use]
        return WarpedPhotographs(root, split, variants)
    if domain.dataset == AGREED:
        return AgreedPairs(root, teachers())
    if domain.dataset not in STEREO_DATASETS:
        raise ConfigError(
            'stereo dataset',
            must_be=f'one of {", ".join([*sorted(STEREO_DATASETS), AGREED, WARPED])}',
            got=repr(domain.dataset), do='ask for one of these')
    return STEREO_DATASETS[domain.dataset](root)


def teachers() -> list[Matcher]:
    """Matchers whose agreement stands for ground truth; they share no matching cost."""
    return [
        SemiGlobalMatcher(CensusCost(), num_paths=8, uniqueness_percent=5),
        SemiGlobalBlockMatcher(num_paths=8)]
