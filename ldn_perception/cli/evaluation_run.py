# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run of a network over the images of a dataset."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.cli import options
from ldn_perception.cli.trained_model import TrainedModel
from ldn_perception.data.anomaly_sets import ANOMALY_SETS, AnomalyImages, build_anomaly_set
from ldn_perception.data.labelled_images import LabelledImages
from ldn_perception.data.registry import DATASETS, build_dataset
from ldn_perception.metrics.foreign_scores import (
    FOREIGN_SCORES,
    ForeignShare,
    ScoreSmoothing,
    foreign_probability,
)
from ldn_perception.metrics.label_space import LabelSpace, PixelTruth, SpacePrediction
from ldn_perception.metrics.ood import OodScores
from ldn_perception.metrics.ood_report import ComponentTrack, OodReport, ScoreFiles, report_scores
from ldn_perception.metrics.segmentation_scores import SegmentationScores
from ldn_perception.taxonomy import UNIVERSAL, Taxonomy
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.taxonomy.taxonomy import LabelMapping

FOREIGN_CLASS_SCORES = ('foreign_probability', 'foreign_argmax')
"""Scores that are meaningless for a network without foreign classes."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Prediction for one image and its merit.

    Attributes:
        labels: (H, W) uint8 ids of `Evaluation.shown_taxonomy`, 255 = none.
        foreign_probability: (H, W) float32 in [0, 1].
        merit: Quality of the prediction, higher is better; NaN if undefined.
    """

    labels: NDArray[np.uint8]
    foreign_probability: NDArray[np.float32]
    merit: float


class Evaluation:
    """Scores of a network on a dataset.

    Args:
        model: The network.
        samples: The dataset, for its taxonomy; images are passed to `add`.
        files: Storage of the score maps, used if the dataset tells foreign from known.
        smoothing: Weight of the newest frame in running averages of the foreign scores over a
            drive, in (0, 1]; 1 for no averaging.

    Attributes:
        segmentation: Scores of the labels; None if the dataset has no driving classes.
        argmax_share: Share of pixels whose most probable class is foreign.
        threshold_share: Share of pixels with a foreign probability above the network's threshold.
        shown_taxonomy: Class list of the returned labels: that of the dataset, or of the network
            if the dataset has no driving classes.
        merit_meaning: Description of `Judgement.merit`.

    Raises:
        TaxonomyError: There is no mapping between the two taxonomies.
    """

    def __init__(
        self, model: TrainedModel, samples: Samples, files: ScoreFiles, smoothing: float = 1.0,
    ) -> None:
        self._model = model
        self._files = files
        self._tells_foreign = samples.tells_foreign_from_known
        self.segmentation: SegmentationScores | None = None
        mapping = LabelMapping.identity(model.taxonomy)
        if samples.has_driving_classes and samples.taxonomy is not None:
            mapping = label_mapping(samples.taxonomy, model.taxonomy)
            self.segmentation = SegmentationScores(samples.taxonomy)
        self._space = LabelSpace(mapping)
        self.shown_taxonomy: Taxonomy = mapping.source
        self.argmax_share = ForeignShare()
        self.threshold_share = ForeignShare()
        self.score_names = tuple(
            name for name in FOREIGN_SCORES
            if self._has_foreign_classes or name not in FOREIGN_CLASS_SCORES)
        self._smoothing = {name: ScoreSmoothing(smoothing) for name in self.score_names}
        self.merit_meaning = (
            'mIoU' if self.segmentation is not None else
            f'AP of {self.score_names[0]}' if self._tells_foreign else 'part called foreign')

    @property
    def _has_foreign_classes(self) -> bool:
        return self._model.taxonomy.num_driving < len(self._model.taxonomy)

    def add(self, sample: Sample) -> Judgement:
        """Run the network on an image and score the prediction."""
        with torch.inference_mode():
            logits = self._model.logits(sample.image, sample.pixels_per_metre)
            prediction = self._space.decide(logits)
            foreign = _to_host(foreign_probability(logits, self._model.taxonomy.num_driving))
            maps = self._score_maps(logits) if self._tells_foreign else {}
        self.argmax_share.accumulate(prediction.foreign, sample.truth)
        self.threshold_share.accumulate(foreign > self._model.ood_threshold, sample.truth)
        if maps:
            self._files.add(maps, sample.truth)
        return Judgement(
            prediction.labels, foreign, self._merit(sample, prediction, maps))

    def _score_maps(self, logits: torch.Tensor) -> dict[str, NDArray[np.float32]]:
        num_driving = self._model.taxonomy.num_driving
        return {
            name: self._smoothing[name].smooth(
                _to_host(FOREIGN_SCORES[name](logits, num_driving)))
            for name in self.score_names
        }

    def _merit(
        self, sample: Sample, prediction: SpacePrediction,
        maps: dict[str, NDArray[np.float32]],
    ) -> float:
        truth = sample.truth
        if self.segmentation is not None:
            return self.segmentation.accumulate(
                prediction, truth.labels, sample.instances, negative=sample.negative)
        if maps:
            own = OodScores()
            own.accumulate(maps[self.score_names[0]], truth.foreign, truth.foreign | truth.known)
            return own.metrics().average_precision
        return float(prediction.foreign.mean())

    def ood_reports(self, track: ComponentTrack) -> dict[str, OodReport]:
        """Reports of all foreign scores; empty unless there are both foreign and known pixels.

        Args:
            track: Rule for the components that count.
        """
        if not self._tells_foreign:
            return {}
        reports = dict(report_scores(self._files, self.score_names, track))
        return {
            name: report for name, report in reports.items()
            if report.pixels.foreign_pixels and report.pixels.known_pixels
        }


def _to_host(values: torch.Tensor) -> NDArray[np.float32]:
    return np.asarray(values.float().cpu().numpy())


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with its ground truth.

    Attributes:
        name: Unique name in the dataset.
        image: (H, W, 3) uint8 RGB.
        truth: Ground truth of every pixel.
        pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; None without stereo.
        instances: (H, W) int32, 0 = no instance; None if the dataset has none.
        negative: True if void is a correct label everywhere.
    """

    name: str
    image: NDArray[np.uint8]
    truth: PixelTruth
    pixels_per_metre: NDArray[np.float32] | None = None
    instances: NDArray[np.int32] | None = None
    negative: bool = False


class Samples:
    """Sequence of the first images of a dataset.

    Args:
        dataset: Labelled images, or images with foreign masks.
        limit: Maximum number of images; None for all.

    Attributes:
        taxonomy: Class list of the labels; None if the dataset has only foreign masks.
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
        """True if labels can be scored."""
        return self.taxonomy is not None and self.taxonomy.num_driving > 0

    @property
    def tells_foreign_from_known(self) -> bool:
        """True if foreign scores can be evaluated."""
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
    """Declare the options of the dataset."""
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
        DatasetError: The dataset or split is unknown, or files are missing.
        ConfigError: The limit is not positive.
    """
    options.check_limit(given.limit)
    if given.dataset in ANOMALY_SETS:
        return Samples(build_anomaly_set(given.dataset, given.data), given.limit)
    return Samples(build_dataset(given.dataset, given.data, given.split), given.limit)
