# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A network over a dataset, one image at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.cli.evaluation_samples import Sample, Samples
from ldn_perception.cli.trained_model import TrainedModel
from ldn_perception.evaluation.component_scores import ComponentTrack
from ldn_perception.evaluation.foreign_scores import FOREIGN_SCORES, foreign_probability
from ldn_perception.evaluation.foreign_share import ForeignShare
from ldn_perception.evaluation.label_space import LabelSpace, SpacePrediction
from ldn_perception.evaluation.ood import OodScores
from ldn_perception.evaluation.ood_report import OodReport, report_scores
from ldn_perception.evaluation.score_files import ScoreFiles
from ldn_perception.evaluation.score_smoothing import ScoreSmoothing
from ldn_perception.evaluation.segmentation_scores import SegmentationScores
from ldn_perception.taxonomy import Taxonomy
from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.mappings import label_mapping

FOREIGN_CLASS_SCORES = ('foreign_probability', 'foreign_argmax')
"""Scores that say nothing of a network without foreign classes."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out for one image.

    Attributes:
        labels: (H, W) uint8 ids of `Evaluation.shown_taxonomy`, 255 = none.
        foreign_probability: (H, W) float32 in [0, 1].
        merit: How good it is, higher is better; NaN if nothing can be said.
    """

    labels: NDArray[np.uint8]
    foreign_probability: NDArray[np.float32]
    merit: float


class Evaluation:
    """Scores of one network on one dataset.

    Args:
        model: The network.
        samples: The dataset, for its taxonomy; its images come through `add`.
        files: Keeps the score maps where the dataset tells foreign from known.
        smoothing: Share of the newest frame in averages of the foreign scores over the frames
            of a drive, in (0, 1]; 1 for none.

    Attributes:
        segmentation: Scores of the labels; None where the dataset has no driving classes.
        argmax_share: Pixels whose most probable class is foreign.
        threshold_share: Pixels with a foreign probability above the network's threshold.
        shown_taxonomy: Classes of the labels it gives out: the dataset's or, where that has no
            driving classes, the network's.
        merit_meaning: What `Judgement.merit` is.

    Raises:
        TaxonomyError: Nothing is known about this pair of taxonomies.
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
        """Run the network on one image and score what comes out."""
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
        """Report of every foreign score; empty where the images had no foreign pixels, or only.

        Args:
            track: Which components count.
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
