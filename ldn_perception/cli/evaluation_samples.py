# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images of any dataset with what is known of their pixels."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldn_perception.cli import options
from ldn_perception.datasets.anomaly_images import AnomalyImages
from ldn_perception.datasets.anomaly_sets import ANOMALY_SETS, build_anomaly_set
from ldn_perception.datasets.labelled_image import LabelledImages
from ldn_perception.datasets.registry import DATASETS, build_dataset
from ldn_perception.evaluation.pixel_truth import PixelTruth
from ldn_perception.taxonomy import UNIVERSAL, Taxonomy
from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.mappings import label_mapping


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to evaluate on.

    Attributes:
        name: Unique in its dataset.
        image: (H, W, 3) uint8 RGB.
        truth: Of every pixel.
        pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; None without stereo.
        instances: (H, W) int32, 0 = no instance; None where the dataset has none.
        negative: Void is a right answer everywhere.
    """

    name: str
    image: NDArray[np.uint8]
    truth: PixelTruth
    pixels_per_metre: NDArray[np.float32] | None = None
    instances: NDArray[np.int32] | None = None
    negative: bool = False


class Samples:
    """A dataset, cut to its first images.

    Args:
        dataset: Labelled images, or images with masks of what is foreign.
        limit: At most so many images; None for all.

    Attributes:
        taxonomy: Classes of the labels; None where only foreign and known are told apart.
    """

    def __init__(
        self, dataset: LabelledImages | AnomalyImages, limit: int | None = None,
    ) -> None:
        self._dataset = dataset
        self._length = len(dataset) if limit is None else min(limit, len(dataset))
        self.taxonomy: Taxonomy | None = (
            None if isinstance(dataset, AnomalyImages) else dataset.taxonomy)
        self._photographs: LabelMapping | None = None
        if self.taxonomy is not None and not self.taxonomy.num_driving:
            self._photographs = label_mapping(self.taxonomy, UNIVERSAL)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        return (self._sample(index) for index in range(self._length))

    @property
    def has_driving_classes(self) -> bool:
        """Whether labels can be scored."""
        return self.taxonomy is not None and self.taxonomy.num_driving > 0

    @property
    def tells_foreign_from_known(self) -> bool:
        """Whether scores of foreignness can be scored."""
        if self._photographs is not None:
            return bool(self._photographs.driving_labels.any())
        return self.taxonomy is None or 0 < self.taxonomy.num_driving < len(self.taxonomy)

    def _sample(self, index: int) -> Sample:
        if isinstance(self._dataset, AnomalyImages):
            marked = self._dataset[index]
            truth = PixelTruth.from_masks(marked.foreign, marked.valid)
            return Sample(marked.name, marked.image, truth)
        labelled = self._dataset[index]
        if self._photographs is not None:
            truth = PixelTruth.from_photograph(labelled.labels, self._photographs)
        else:
            truth = PixelTruth.from_labels(
                labelled.labels, self._dataset.taxonomy.num_driving, negative=labelled.negative)
        return Sample(
            labelled.name, labelled.image, truth, labelled.pixels_per_metre, labelled.instances,
            labelled.negative)


def add_dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the dataset."""
    names = sorted({*DATASETS, *ANOMALY_SETS})
    options.add_data(parser)
    parser.add_argument(
        '--dataset', required=True, choices=names, metavar='NAME',
        help=f'kind of the dataset: {", ".join(names)}')
    parser.add_argument(
        '--split', default='val', metavar='NAME',
        help='split of the dataset; an error lists those there are; anomaly sets have none')


def open_samples(given: argparse.Namespace) -> Samples:
    """Open the dataset.

    Raises:
        DatasetError: There is no such dataset or split, or files are missing.
        ConfigError: The limit is not positive.
    """
    options.check_limit(given.limit)
    if given.dataset in ANOMALY_SETS:
        return Samples(build_anomaly_set(given.dataset, given.data), given.limit)
    return Samples(build_dataset(given.dataset, given.data, given.split), given.limit)
