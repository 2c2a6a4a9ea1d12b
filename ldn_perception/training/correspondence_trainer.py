# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training of a correspondence metric: loop, loss and construction.

Source: hinge loss of Žbontar and LeCun (JMLR 2016), section 3.2, here against the most similar of
several false matches instead of a random one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import math
from pathlib import Path
import time
from typing import NamedTuple

import torch
from torch import Tensor
import torch.nn.functional as F

from ldn_perception.data.registry import STEREO_DATASETS
from ldn_perception.data.stereo_pairs import StereoPairs, WarpedPhotographs
from ldn_perception.errors import ConfigError, TrainingError
from ldn_perception.models.weights import load_weights
from ldn_perception.stereo.embeddings import EMBEDDING_NAME, PatchEmbedding, census_signs
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.stereo.matching_costs import CensusCost
from ldn_perception.stereo.opencv_matchers import SemiGlobalBlockMatcher
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher
from ldn_perception.training.correspondence_pairs import (
    AgreedPairs,
    DrawnDomain,
    PairBatch,
    PairBatches,
    PairViews,
)
from ldn_perception.training.recipe import CorrespondenceRecipe, PairDomain
from ldn_perception.training.trainer import TrainingLoop, cosine_learning_rate
from ldn_perception.training.training_files import (
    MatchRecord,
    MatchValidation,
    RecordLog,
    Snapshot,
    read_snapshot,
    write_snapshot,
)


class _MatchLogs:
    """`steps.jsonl` and `validation.jsonl`, continued after a number of steps."""

    def __init__(self, folder: Path, step: int) -> None:
        self._steps = RecordLog(folder / 'steps.jsonl', MatchRecord, step)
        self._scores = RecordLog(folder / 'validation.jsonl', MatchValidation, step)

    def add_step(self, record: MatchRecord) -> None:
        self._steps.add(record)

    def add_validation(self, record: MatchValidation) -> None:
        self._scores.add(record)

    def close(self) -> None:
        self._steps.close()
        self._scores.close()


class CorrespondenceTrainer(TrainingLoop[MatchRecord]):
    """Training of a metric network by a recipe, resumed from the snapshot in the folder.

    Writes `snapshot.pt`, `steps.jsonl` and, with held-out pairs, `validation.jsonl`.

    Args:
        network: Network to train, in place.
        batches: Training batches.
        recipe: Training recipe.
        folder: Training folder.
        device: Device of the training.
        held_out: Validation batches, the same at every validation; None disables validation.

    Attributes:
        network: The network.

    Raises:
        TrainingError: The snapshot in the folder is damaged or of another recipe.
    """

    def __init__(
        self, network: PatchEmbedding, batches: PairBatches, recipe: CorrespondenceRecipe,
        folder: Path, device: torch.device, held_out: PairBatches | None = None,
    ) -> None:
        # Torch's type stubs lack this overload of Module.to.
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self._batches, self._held_out = batches, held_out
        self._recipe, self._device, self._folder = recipe, device, folder
        self._loss = CorrespondenceLoss(
            recipe.margin, recipe.tolerance_px, recipe.near_px, recipe.far_negatives,
            recipe.anchors, recipe.edge_weight)
        self._optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
        self.snapshot_steps = recipe.snapshot_steps
        self.step = 0
        self.num_steps = recipe.steps
        if self._snapshot.is_file():
            snapshot = read_snapshot(self._snapshot, recipe)
            self.step = snapshot.step
            network.load_state_dict(snapshot.model)
            self._optimizer.load_state_dict(snapshot.optimizer)

    def _open_logs(self) -> _MatchLogs:
        return _MatchLogs(self._folder, self.step)

    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[MatchRecord]:
        while self.step < self.num_steps:
            yield self._train_step()

    def _validate(self, logs: _MatchLogs) -> None:
        is_due = self.step % self._recipe.validation_steps == 0 or self.step == self.num_steps
        if is_due and self._held_out is not None:
            logs.add_validation(self.validate(self._held_out))

    def validate(self, batches: PairBatches) -> MatchValidation:
        """Score the network on the first batches; the network is not changed."""
        count = self._recipe.validation_batches
        results = []
        with torch.no_grad():
            for number in range(count):
                results.append(torch.stack(self._compare(batches.batch(number), number)))
        loss, accuracy = torch.stack(results).mean(0).tolist()
        return MatchValidation(self.step - 1, loss, accuracy)

    def write_snapshot(self) -> None:
        """Write a snapshot of the training state."""
        write_snapshot(self._snapshot, Snapshot(
            self.step, self.network.state_dict(), {}, self._optimizer.state_dict(),
            self._recipe.to_values()))

    @property
    def _snapshot(self) -> Path:
        return self._folder / 'snapshot.pt'

    def _train_step(self) -> MatchRecord:
        began = time.monotonic()
        recipe = self._recipe
        rate = cosine_learning_rate(
            self.step, self.num_steps, recipe.learning_rate, recipe.smallest_learning_rate)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        result = self._compare(self._batches.batch(self.step), self.step)
        loss, accuracy = torch.stack(result).tolist()
        if not math.isfinite(loss):
            raise TrainingError(
                f'loss of step {self.step}', must_be='finite', got=loss,
                do='begin anew with a lower learning_rate')
        self._optimizer.zero_grad(set_to_none=True)
        result.loss.backward()
        self._optimizer.step()
        return MatchRecord(self.step, rate, loss, accuracy, time.monotonic() - began)

    def _compare(self, batch: PairBatch, number: int) -> MatchLoss:
        """Loss of a batch; the random false matches depend only on its number."""
        random = torch.Generator(self._device).manual_seed(self._recipe.seed + number)
        images = torch.cat([batch.left, batch.right]).to(self._device).contiguous(
            memory_format=torch.channels_last)
        with torch.autocast(
                self._device.type, torch.bfloat16,
                enabled=self._recipe.precision == 'bfloat16'):
            left, right = self._joint_vectors(images).chunk(2)
            return self._loss(left, right, batch.column.to(self._device), random)

    def _joint_vectors(self, images: Tensor) -> Tensor:
        """Embeddings with weighted census signs appended; dot products add up like the costs."""
        vectors: Tensor = self.network(images)
        if not self._recipe.bit_cost:
            return vectors
        rim = self.network.radius
        signs = census_signs(images)[..., rim:-rim, rim:-rim]
        # Each differing bit lowers the product of signs by two.
        weight = math.sqrt(self._recipe.bit_cost / (2 * self._recipe.vector_cost))
        return torch.cat([vectors, (weight * signs).to(vectors.dtype)], 1)


_NEAR_SHARE = 0.5
_UNLIKE = -2.0  # less than any cosine
_EDGE_STEP_PX = 2.0
_EDGE_RADIUS_PX = 6
_FAR_AWAY_PX = 1e4


class MatchLoss(NamedTuple):
    """Loss and accuracy of a batch.

    Attributes:
        loss: () weighted mean over the compared pixels with a match.
        accuracy: () share of them whose most similar pixel of the line is the true match.
    """

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True, slots=True)
class CorrespondenceLoss:
    """Hinge loss max(0, margin + hardest false match - true match), with cosine similarities.

    Attributes:
        margin: Margin of the equation.
        tolerance_px: Pixels closer to the true match are not false matches [px].
        near_px: Distance from the true match up to which half of the pixels are negatives [px].
        far_negatives: Mean number of random negatives per anchor beyond `near_px`.
        anchors: Maximum number of compared pixels per line of the left image.
        edge_weight: Extra weight of pixels near a disparity edge: there a patch covers two
            surfaces, and semi-global matching makes most errors.
    """

    margin: float
    tolerance_px: float
    near_px: float
    far_negatives: int
    anchors: int
    edge_weight: float = 0.0

    def __call__(
        self, left: Tensor, right: Tensor, column: Tensor, random: torch.Generator,
    ) -> MatchLoss:
        """Loss of embedding lines.

        Args:
            left: (N, C, h, w), unit length.
            right: (N, C, h, w), unit length.
            column: (N, h, w) float32, column of the true match in the right image, NaN without a
                match [px].
            random: Generator of the negatives, on the device of the embeddings.
        """
        width = left.shape[-1]
        drawn = torch.randperm(width, generator=random, device=left.device)[:self.anchors]
        likeness = _lines(left[..., drawn]) @ _lines(right).transpose(1, 2)     # (N h, a, w)
        weight = self._weights(column)[..., drawn].flatten(0, 1)                # (N h, a)
        column = column[..., drawn].flatten(0, 1)
        known, place = torch.isfinite(column), torch.nan_to_num(column)
        hardest = self._hardest(likeness.detach(), place, random)
        before = place.floor().clamp(0, width - 2).long()
        chosen = likeness.gather(-1, torch.stack([before, before + 1, hardest], -1)).float()
        true = torch.lerp(chosen[..., 0], chosen[..., 1], place - before)
        losses = torch.relu(self.margin + chosen[..., 2] - true)
        is_right = (likeness.detach().argmax(-1) - place).abs() <= self.tolerance_px
        weight = weight * known
        return MatchLoss(
            (losses * weight).sum() / weight.sum().clamp(min=1),
            (is_right & known).sum() / known.sum().clamp(min=1))

    def _weights(self, column: Tensor) -> Tensor:
        """Weight of every pixel, (N, h, w); pixels without a match count as edges."""
        disparity = torch.arange(column.shape[-1], device=column.device) - column
        disparity = disparity.nan_to_num(_FAR_AWAY_PX)[:, None]
        most, least = (
            sign * F.max_pool2d(sign * disparity, 2 * _EDGE_RADIUS_PX + 1, 1, _EDGE_RADIUS_PX)
            for sign in (1, -1))
        return 1 + self.edge_weight * ((most - least)[:, 0] > _EDGE_STEP_PX)

    def _hardest(self, likeness: Tensor, place: Tensor, random: torch.Generator) -> Tensor:
        """Column of the most similar false match of each pixel, (N h, a) int64.

        All lines of a batch share the random draw, which saves most of the random numbers.
        """
        anchors, width = likeness.shape[1:]
        candidates = torch.arange(width, device=place.device, dtype=place.dtype)
        distance = (candidates - place[..., None]).abs_()
        drawn = torch.rand(2, anchors, width, generator=random, device=place.device)
        is_near, is_far = drawn[0] < _NEAR_SHARE, drawn[1] < self.far_negatives / width
        is_false = torch.where(distance <= self.near_px, is_near, is_far)
        is_false &= distance > self.tolerance_px
        return likeness.masked_fill(~is_false, _UNLIKE).argmax(-1)


def _lines(vectors: Tensor) -> Tensor:
    """(N, C, h, w) -> (N h, w, C)."""
    return vectors.permute(0, 2, 3, 1).flatten(0, 1)


WARPED, AGREED = 'warped_photographs', 'agreed_pairs'
_VARIANTS = {'domains': ('train', 1000), 'validation': ('val', 1)}
"""(Split, variants per photograph) of warped photographs, by list of the recipe."""


def build_correspondence_trainer(
    recipe: CorrespondenceRecipe, data: Path, folder: Path, device: torch.device,
) -> CorrespondenceTrainer:
    """Build the trainer of a recipe; resumes from a snapshot in the folder.

    Args:
        recipe: Training recipe.
        data: Root folder of the datasets.
        folder: Training folder.
        device: Device of the training.

    Raises:
        ConfigError: A dataset is unknown.
        DatasetError: Files are missing.
        ModelError: The initial weights are missing or belong to another network.
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
        use: 'domains' or 'validation'; every fifth photograph is held out for validation.
        domains: Domains of the recipe.
        data: Root folder of the datasets.

    Raises:
        ConfigError: A dataset is unknown.
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
    """Build the matchers whose agreement serves as ground truth; they share no matching cost."""
    return [
        SemiGlobalMatcher(CensusCost(), num_paths=8, uniqueness_percent=5),
        SemiGlobalBlockMatcher(num_paths=8)]
