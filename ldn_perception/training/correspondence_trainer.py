# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training of a correspondence metric: loop, loss, parts.

Loss: Source: the hinge of Žbontar and LeCun (JMLR 2016), section 3.2, here against the most alike
of several false matches instead of one at random.
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
    """`steps.jsonl` and `validation.jsonl`, gone on with after a number of steps."""

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
    """Trains a network by a recipe, from where the folder says it stopped.

    The folder gets `snapshot.pt`, `steps.jsonl` and, with pairs held out, `validation.jsonl`.

    Args:
        network: It is trained in place.
        batches: What it sees.
        recipe: How it is trained.
        folder: Where its state is kept.
        device: Where it is trained.
        held_out: What it is scored on, always the same batches; None for no scores.

    Attributes:
        network: As given.

    Raises:
        TrainingError: The snapshot in the folder is damaged or of another recipe.
    """

    def __init__(
        self, network: PatchEmbedding, batches: PairBatches, recipe: CorrespondenceRecipe,
        folder: Path, device: torch.device, held_out: PairBatches | None = None,
    ) -> None:
        # torch's type stubs lack this overload of Module.to
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
        """Score the network on the first batches, without changing it."""
        count = self._recipe.validation_batches
        results = []
        with torch.no_grad():
            for number in range(count):
                results.append(torch.stack(self._compare(batches.batch(number), number)))
        loss, accuracy = torch.stack(results).mean(0).tolist()
        return MatchValidation(self.step - 1, loss, accuracy)

    def write_snapshot(self) -> None:
        """Keep the state."""
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
        """Loss of a batch; which false matches count depends on its number only."""
        random = torch.Generator(self._device).manual_seed(self._recipe.seed + number)
        images = torch.cat([batch.left, batch.right]).to(self._device).contiguous(
            memory_format=torch.channels_last)
        with torch.autocast(
                self._device.type, torch.bfloat16,
                enabled=self._recipe.precision == 'bfloat16'):
            left, right = self._joint_vectors(images).chunk(2)
            return self._loss(left, right, batch.column.to(self._device), random)

    def _joint_vectors(self, images: Tensor) -> Tensor:
        """Embeddings, and census signs beside them, so that products add up as costs do."""
        vectors: Tensor = self.network(images)
        if not self._recipe.bit_cost:
            return vectors
        rim = self.network.radius
        signs = census_signs(images)[..., rim:-rim, rim:-rim]
        # a bit that differs takes two from the product of signs
        weight = math.sqrt(self._recipe.bit_cost / (2 * self._recipe.vector_cost))
        return torch.cat([vectors, (weight * signs).to(vectors.dtype)], 1)


_NEAR_SHARE = 0.5
_UNLIKE = -2.0  # below every cosine
_EDGE_STEP_PX = 2.0
_EDGE_RADIUS_PX = 6
_FAR_AWAY_PX = 1e4


class MatchLoss(NamedTuple):
    """Loss of a batch, and how good it is.

    Attributes:
        loss: () weighted mean over those compared pixels that have a match.
        accuracy: () part of them whose most alike pixel of the line is the true one.
    """

    loss: Tensor
    accuracy: Tensor


@dataclass(frozen=True, slots=True)
class CorrespondenceLoss:
    """max(0, margin + most alike false match - true match), as cosines.

    Attributes:
        margin: See the equation.
        tolerance_px: Closer to the true match nothing counts as false [px].
        near_px: Half of the pixels up to here are among the false ones [px].
        far_negatives: So many of the others, on average.
        anchors: Pixels of each line of the left image that are compared, at most.
        edge_weight: How much more the surroundings of an edge of a surface weigh than the inner
            part: there a patch sees two surfaces, and semi-global matching makes most errors.
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
        """Compare the vectors of lines.

        Args:
            left: (N, C, h, w) of unit length.
            right: (N, C, h, w) of unit length.
            column: (N, h, w) float32, column of the true match in the right image, NaN where
                there is none [px].
            random: Which false matches count; on the device of the vectors.
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
        """Weight of every pixel, (N, h, w); a pixel without match has an edge around it."""
        disparity = torch.arange(column.shape[-1], device=column.device) - column
        disparity = disparity.nan_to_num(_FAR_AWAY_PX)[:, None]
        most, least = (
            sign * F.max_pool2d(sign * disparity, 2 * _EDGE_RADIUS_PX + 1, 1, _EDGE_RADIUS_PX)
            for sign in (1, -1))
        return 1 + self.edge_weight * ((most - least)[:, 0] > _EDGE_STEP_PX)

    def _hardest(self, likeness: Tensor, place: Tensor, random: torch.Generator) -> Tensor:
        """Column of the most alike false match of each pixel, (N h, a) int64.

        All lines of a batch draw alike, which saves most of the random numbers.
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
