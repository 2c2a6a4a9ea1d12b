# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Batches with a fixed share of every domain and common targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import signal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ldn_perception.data.augmentation import Augmentation, TrainingView
from ldn_perception.data.labelled_images import LabelledImages
from ldn_perception.errors import DatasetError, TrainingError
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.street_changes import StreetChange
from ldn_perception.types import UNLABELLED


@dataclass(frozen=True)
class TrainingDomain:
    """Dataset of a training.

    Attributes:
        images: Labelled images.
        targets: (256,) uint8, set number by label.
        repeat: Repetitions of each image per epoch; the fractional part is drawn anew in every
            epoch.
        changes: Image changes, applied in order.
    """

    images: LabelledImages
    targets: NDArray[np.uint8]
    repeat: float = 1.0
    changes: Sequence[StreetChange] = ()

    @property
    def shown(self) -> int:
        """Number of images per epoch."""
        return max(1, round(len(self.images) * self.repeat))


class Batch(NamedTuple):
    """Batch of one training step.

    Attributes:
        image: (N, h, w, 3) uint8 RGB.
        targets: (N, h, w) uint8.
        pixels_per_metre: (N, h, w) float32 [px/m]; all NaN for images without stereo.
    """

    image: Tensor
    targets: Tensor
    pixels_per_metre: Tensor


class Place(NamedTuple):
    """Position in the order of a training: domain, image, and seed of the augmentation."""

    domain: int
    image: int
    seed: tuple[int, ...]


class MixedBatches:
    """Batches that are reproducible by seed, from any step and with any number of processes.

    An epoch shuffles each domain and interleaves the domains evenly, so each batch has about the
    mixture of the epoch and batch norm statistics fit all domains (thesis section 5.2). A batch
    may extend into the next epoch; no image is skipped.

    Args:
        domains: One or more domains.
        augmentation: Random views of the images.
        unknown: Target of pixels outside an image.
        batch_size: Images per step, over all workers.
        seed: Seed of order and augmentation.
        worker: Number of this worker; it takes every num_workers-th image of a batch.
        num_workers: Number of training processes.

    Attributes:
        domains: Domains of the training.
        batch_size: Images per step, over all workers.
        epoch_images: Images per epoch.
    """

    def __init__(
        self, domains: Sequence[TrainingDomain], augmentation: Augmentation, unknown: int,
        batch_size: int, seed: int, *, worker: int = 0, num_workers: int = 1,
    ) -> None:
        self.domains = domains
        self.epoch_images = sum(domain.shown for domain in domains)
        self.batch_size = batch_size
        self._views = _Views(domains, augmentation, unknown)
        self._seed = seed
        self._worker, self._num_workers = worker, num_workers

    @property
    def epoch_steps(self) -> float:
        """Steps per epoch."""
        return self.epoch_images / self.batch_size

    def epoch(self, step: int) -> int:
        """Epoch in which a step begins, from 0."""
        return step * self.batch_size // self.epoch_images

    def places(self, first_step: int, last_step: int) -> Iterator[list[Place]]:
        """Images of this worker in each of the steps [first_step, last_step)."""
        epoch, order = -1, []
        for step in range(first_step, last_step):
            batch = []
            for number_in_batch in range(self._worker, self.batch_size, self._num_workers):
                number, position = divmod(
                    step * self.batch_size + number_in_batch, self.epoch_images)
                if number != epoch:
                    epoch, order = number, self._epoch(number)
                domain, index = order[position]
                batch.append(Place(domain, index, (self._seed, epoch, position)))
            yield batch

    def _epoch(self, epoch: int) -> list[tuple[int, int]]:
        """(Domain, index) of every image of an epoch, in order."""
        random = np.random.default_rng((self._seed, epoch))
        keys, entries = [], []
        for number, domain in enumerate(self.domains):
            shown = _shuffled(len(domain.images), domain.shown, random)
            # One image per n-th of the epoch, at a random position in it.
            keys.append((np.arange(len(shown)) + random.random(len(shown))) / len(shown))
            entries += [(number, int(index)) for index in shown]
        order = np.argsort(np.concatenate(keys), kind='stable')
        return [entries[place] for place in order]

    def load(self, first_step: int, last_step: int, processes: int = 0) -> Iterator[Batch]:
        """Batches of the steps [first_step, last_step).

        Args:
            first_step: First step.
            last_step: Step after the last one.
            processes: Number of prefetching processes; 0 loads in this process.

        Raises:
            DatasetError: A file is missing or damaged.
        """
        for batch in DataLoader(
            self._views,
            batch_sampler=self.places(first_step, last_step),
            collate_fn=_stack, num_workers=processes, pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if processes else None, worker_init_fn=_ignore_signals,
        ):
            if isinstance(batch, DatasetError):
                raise batch
            yield batch


class _Views(Dataset['TrainingView | DatasetError']):
    """Augmented views by position.

    Errors are returned, not raised: torch converts an exception of another process to a
    RuntimeError with a traceback.
    """

    def __init__(
        self, domains: Sequence[TrainingDomain], augmentation: Augmentation, unknown: int
    ) -> None:
        self._domains, self._augmentation, self._unknown = domains, augmentation, unknown

    def __getitem__(self, place: Place) -> TrainingView | DatasetError:
        try:
            return self._view(place)
        except DatasetError as error:
            return error

    def _view(self, place: Place) -> TrainingView:
        domain, random = self._domains[place.domain], np.random.default_rng(place.seed)
        sample = domain.images[place.image]
        image, targets = sample.image, domain.targets[sample.labels]
        for change in domain.changes:
            image, targets = change.apply(image, targets, sample.labels, random)
        return self._augmentation.view(
            image, targets, sample.pixels_per_metre, self._unknown, random)


def _ignore_signals(number: int) -> None:
    """Ignore a signal in a loader process; the training process handles it."""
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)


def _shuffled(count: int, wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Random indices below a count; frequencies differ by at most one."""
    rounds = [random.permutation(count) for _ in range(-(-wanted // count))]
    return np.asarray(np.concatenate(rounds)[:wanted])


def _stack(results: Sequence[TrainingView | DatasetError]) -> Batch | DatasetError:
    views = []
    for result in results:
        if isinstance(result, DatasetError):
            return result
        views.append(result)
    image = torch.from_numpy(np.stack([view.image for view in views]))
    targets = torch.from_numpy(np.stack([view.targets for view in views]))
    metres = [
        np.full(view.targets.shape, np.nan, np.float32)
        if view.pixels_per_metre is None else view.pixels_per_metre for view in views
    ]
    return Batch(image, targets, torch.from_numpy(np.stack(metres)))


class LabelSets:
    """Distinct sets of classes that the labels of some datasets map to.

    A target is the number of a set. The last set contains every class, so unlabelled pixels add
    nothing to loss or gradient.

    Args:
        mappings: Mapping from each dataset to the network's taxonomy, the same for all.

    Attributes:
        table: (K + 1, C) bool, the classes in each set; the last row is all True.
        targets: For each mapping (256,) uint8, target by label of its dataset.
        unknown: Target of an unlabelled pixel, the last one.

    Raises:
        TrainingError: There are too many sets for 8 bits.
    """

    def __init__(self, mappings: Sequence[LabelMapping]) -> None:
        rows: dict[bytes, int] = {}
        for mapping in mappings:
            for row in mapping.table:
                if row.any() and not row.all():
                    rows.setdefault(row.tobytes(), len(rows))
        self.unknown = len(rows)
        if self.unknown > UNLABELLED:
            raise TrainingError(
                'labels of all datasets', got=self.unknown,
                must_be=f'at most {UNLABELLED} different sets of classes',
                do='train with fewer datasets at a time')
        self._class_names = mappings[0].target.class_names
        everything = np.ones(len(mappings[0].target), np.bool_)
        known = [np.frombuffer(row, np.bool_) for row in rows]
        self.table: NDArray[np.bool_] = np.stack([*known, everything])
        self.targets = [self._lookup(mapping, rows) for mapping in mappings]

    def target_of(self, name: str) -> int:
        """Number of the set that contains only one class.

        Raises:
            TrainingError: No label maps to this class alone.
        """
        alone = np.array([target == name for target in self._class_names])
        found = np.flatnonzero((self.table == alone).all(axis=1))
        if not found.size:
            raise TrainingError(
                f'labels of all datasets for {name}', must_be=f'one that is {name} for certain',
                got='none', do='add a dataset of streets')
        return int(found[0])

    def _lookup(self, mapping: LabelMapping, rows: dict[bytes, int]) -> NDArray[np.uint8]:
        lookup = np.full(UNLABELLED + 1, self.unknown, np.uint8)
        for label, row in enumerate(mapping.table):
            lookup[label] = rows.get(row.tobytes(), self.unknown)
        return lookup
