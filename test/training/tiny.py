# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network, datasets and a training so small that a step takes milliseconds."""

import numpy as np
import torch
from torch import nn

from ldn_perception.data.augmentation import Augmentation
from ldn_perception.data.labelled_images import LabelledImage
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.losses import SegmentationLoss
from ldn_perception.training.mixed_batches import LabelSets, MixedBatches, TrainingDomain
from ldn_perception.training.recipe import DomainRecipe, TrainingRecipe
from ldn_perception.training.trainer import Trainer
from ldn_perception.training.workers import Workers

CPU = torch.device('cpu')


def taxonomy(name, driving, foreign=''):
    """Classes named by single letters."""
    return Taxonomy(name, tuple(
        ClassInfo(letter, (10 * index, 0, 0), domain, 'any')
        for domain, letters in ((Domain.DRIVING, driving), (Domain.FOREIGN, foreign))
        for index, letter in enumerate(letters)))


NETWORK_CLASSES = taxonomy('network', 'abc', 'x')


class TinyNet(SegmentationModel):
    """Logits at half the resolution and, as an auxiliary head, at a quarter."""

    uses_disparity = False
    stride = 2

    def __init__(self, num_classes=4, *, norm=False, dropout=0.0, auxiliary=True):
        super().__init__()
        self.num_classes = num_classes
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU(),
            nn.Dropout(dropout))
        self.head = nn.Conv2d(8, num_classes, 1)
        self.auxiliary_heads = nn.Conv2d(8, num_classes, 2, 2) if auxiliary else None

    def forward(self, image, pixels_per_metre=None):
        features = self.backbone(image)
        coarse = () if self.auxiliary_heads is None else (self.auxiliary_heads(features),)
        return SegmentationOutput(self.head(features), coarse)


class Striped:
    """Images whose colour says their class, half of a column unlabelled."""

    def __init__(self, classes, count=6, seed=0, size=(24, 32), stereo=False):
        self.taxonomy = classes
        self._count, self._seed, self._size, self._stereo = count, seed, size, stereo

    def __len__(self):
        return self._count

    def __getitem__(self, index):
        random = np.random.default_rng((self._seed, index))
        labels = np.repeat(
            random.integers(0, len(self.taxonomy), (self._size[0] // 4, 1)), 4, 0)
        labels = np.broadcast_to(labels, self._size).astype(np.uint8).copy()
        colours = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250]], np.uint8)
        image = colours[labels]
        labels[:self._size[0] // 2, 5] = 255
        metres = np.full(self._size, 20, np.float32) if self._stereo else None
        return LabelledImage(f'{index}', image, labels, metres)


def tiny_recipe(**options):
    """Float32 and few steps; whatever is given wins."""
    values = {
        'epochs': 4, 'batch_size': 4, 'precision': 'float32', 'learning_rate': 0.02,
        'average_decay': 0.5, 'snapshot_steps': 3, 'norm_batches': 3, **options}
    return TrainingRecipe((DomainRecipe('striped', 'striped'),), **values)


def tiny_trainer(
    folder, recipe=None, workers=None, seed=3, validation=None, **network,
):
    """A trainer over two striped domains, of which one knows fewer classes."""
    recipe, workers = recipe or tiny_recipe(), workers or Workers()
    all_known = NETWORK_CLASSES
    fewer = taxonomy('fewer', 'ab')
    mappings = [
        LabelMapping.identity(all_known),
        LabelMapping(fewer, all_known, {'a': ('a', 'c'), 'b': ('b',)}),
    ]
    sets = LabelSets(mappings)
    domains = [
        TrainingDomain(Striped(mapping.source, 6, seed), targets)
        for mapping, targets in zip(mappings, sets.targets, strict=True)]
    batches = MixedBatches(
        domains, Augmentation(16, 16), sets.unknown, recipe.batch_size, recipe.seed,
        worker=workers.number, num_workers=workers.count)
    torch.manual_seed(1)
    model = TinyNet(**network)
    loss = SegmentationLoss(
        torch.from_numpy(sets.table), recipe.auxiliary_weight,
        class_balancing=recipe.class_balancing, sum_over_workers=workers.sum,
        num_workers=workers.count)
    return Trainer(model, batches, loss, recipe, folder, CPU, workers, validation)
