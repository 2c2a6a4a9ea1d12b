# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Batches with a fixed share of every domain, in one label numbering."""

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
    """A dataset in a training.

    Attributes:
        images: The dataset.
        targets: (256,) uint8, label -> number of its set.
        repeat: How often an epoch shows each image; the remainder of a fraction is drawn anew
            for every epoch.
        changes: What may be changed in an image, one after the other.
    """

    images: LabelledImages
    targets: NDArray[np.uint8]
    repeat: float = 1.0
    changes: Sequence[StreetChange] = ()

    @property
    def shown(self) -> int:
        """Images it adds to an epoch."""
        return max(1, round(len(self.images) * self.repeat))


class Batch(NamedTuple):
    """What a step is made of.

    Attributes:
        image: (N, h, w, 3) uint8 RGB.
        targets: (N, h, w) uint8.
        pixels_per_metre: (N, h, w) float32 [px/m]; all NaN for images without stereo.
    """

    image: Tensor
    targets: Tensor
    pixels_per_metre: Tensor


class Place(NamedTuple):
    """A place in the order of a training: what is shown there, and the seed of how."""

    domain: int
    image: int
    seed: tuple[int, ...]


class MixedBatches:
    """The same batches for the same seed, from any step on and in any number of processes.

    An epoch shuffles every domain by itself and lays them into each other evenly, so that each
    batch has about the mixture of the epoch: batch norm statistics then fit all domains (thesis
    section 5.2). A batch may reach into the next epoch; no image is left out.

    Args:
        domains: One or more.
        augmentation: How they are seen.
        unknown: Target of pixels outside of an image.
        batch_size: Images of a step, over all workers.
        seed: Of order and augmentation.
        worker: Number of this worker; it takes every num_workers-th image of a batch.
        num_workers: Number of processes that train together.

    Attributes:
        domains: As given.
        batch_size: As given.
        epoch_images: Images shown in an epoch.
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
        """Steps an epoch takes."""
        return self.epoch_images / self.batch_size

    def epoch(self, step: int) -> int:
        """Number of the epoch in which a step begins, from 0."""
        return step * self.batch_size // self.epoch_images

    def places(self, first_step: int, last_step: int) -> Iterator[list[Place]]:
        """What this worker sees in each of the steps [first_step, last_step)."""
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
        """Domain and index of every image of an epoch, in its order."""
        random = np.random.default_rng((self._seed, epoch))
        keys, entries = [], []
        for number, domain in enumerate(self.domains):
            shown = _shuffled(len(domain.images), domain.shown, random)
            # One image in every n-th of the epoch, anywhere in it.
            keys.append((np.arange(len(shown)) + random.random(len(shown))) / len(shown))
            entries += [(number, int(index)) for index in shown]
        order = np.argsort(np.concatenate(keys), kind='stable')
        return [entries[place] for place in order]

    def load(self, first_step: int, last_step: int, processes: int = 0) -> Iterator[Batch]:
        """Batches of the steps [first_step, last_step).

        Args:
            first_step: Number of the first one.
            last_step: Number behind the last one.
            processes: Processes that read ahead; 0 reads in this one.

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
    """Augmented views, by their place.

    An error is returned like a view: of one that is raised in another process, torch would make
    a RuntimeError with a traceback.
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
    """Leave it to the training what becomes of a signal that all its processes get."""
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, signal.SIG_IGN)


def _shuffled(count: int, wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """As many indices below a count as are wanted, each as often as any other but for one."""
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
    """All different sets of classes that labels of some datasets stand for.

    A target is the number of a set. The last set holds every class: whatever the network says is
    in it, so a pixel of which nothing is known costs nothing and teaches nothing.

    Args:
        mappings: From each dataset to the taxonomy of the network, all to the same one.

    Attributes:
        table: (K + 1, C) bool, the classes in each set; the last row is all True.
        targets: For each mapping (256,) uint8, from the label of its dataset to its target.
        unknown: Target of a pixel of which nothing is known, the last one.

    Raises:
        TrainingError: There are more sets than 8 bits can number.
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
        """Number of the set that holds nothing but a class.

        Raises:
            TrainingError: No dataset has a label that stands for it alone.
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
