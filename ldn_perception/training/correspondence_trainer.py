# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Trains a correspondence metric step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import math
from pathlib import Path
import time

import torch
from torch import Tensor

from ldn_perception.errors import TrainingError
from ldn_perception.stereo.census_signs import census_signs
from ldn_perception.stereo.patch_embedding import PatchEmbedding
from ldn_perception.training.correspondence_loss import CorrespondenceLoss, MatchLoss
from ldn_perception.training.correspondence_recipe import CorrespondenceRecipe
from ldn_perception.training.learning_rate import cosine_learning_rate
from ldn_perception.training.loop import TrainingLoop
from ldn_perception.training.pair_batches import PairBatch, PairBatches
from ldn_perception.training.record_log import MatchRecord, MatchValidation, RecordLog
from ldn_perception.training.snapshot import Snapshot, read_snapshot, write_snapshot


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
        result.loss.backward()  # type: ignore[no-untyped-call]
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
