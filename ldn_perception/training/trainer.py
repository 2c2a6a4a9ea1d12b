# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Training loop, optimiser, learning rate and norm statistics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
import math
from pathlib import Path
import time
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ldn_perception.errors import TrainingError
from ldn_perception.models.segmentation_model import SegmentationModel
from ldn_perception.training.losses import LossParts, SegmentationLoss
from ldn_perception.training.mixed_batches import Batch, MixedBatches
from ldn_perception.training.recipe import TrainingRecipe
from ldn_perception.training.training_files import (
    Snapshot,
    StepRecord,
    TrainingLogs,
    read_snapshot,
    write_snapshot,
)
from ldn_perception.training.validation import ForwardPass, Validation
from ldn_perception.training.workers import Workers

Record = TypeVar('Record')


class StepLogs(Protocol):
    """Log files of a training."""

    def add_step(self, record: Any) -> None:
        """Append the record of a step."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class TrainingLoop(ABC, Generic[Record]):
    """Resumable training: an interrupted training repeats the same steps after a restart.

    Attributes:
        step: Completed steps.
        num_steps: Total number of steps.
        snapshot_steps: Steps between snapshots.
    """

    step: int
    num_steps: int
    snapshot_steps: int

    def train(
        self, should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[Record], None] | None = None,
    ) -> bool:
        """Run the remaining steps.

        Args:
            should_stop: Called in every step; True stops the training. With several workers one
                True is enough.
            report: Callback after every step.

        Returns:
            True if all steps are completed.

        Raises:
            DatasetError: A file is missing or damaged.
            TrainingError: The loss is not finite, or the logs cannot be continued.
        """
        logs = self._open_logs()
        try:
            for record in self._steps(should_stop):
                self.step += 1
                if logs is not None:
                    logs.add_step(record)
                if report is not None:
                    report(record)
                self._validate(logs)
                if self._stops(should_stop):
                    break
                if self.step % self.snapshot_steps == 0:
                    self.write_snapshot()
        finally:
            if logs is not None:
                logs.close()
        self.write_snapshot()
        return self.step >= self.num_steps

    @abstractmethod
    def write_snapshot(self) -> None:
        """Write a snapshot of the training state."""

    @abstractmethod
    def _open_logs(self) -> Any:
        """Open the logs at the current step; None for a worker without logs."""

    @abstractmethod
    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[Record]:
        """Run the remaining steps, yielding a record each."""

    @abstractmethod
    def _validate(self, logs: Any) -> None:
        """Validate the network if due."""

    def _stops(self, should_stop: Callable[[], bool]) -> bool:
        return should_stop()


class Trainer(TrainingLoop[StepRecord]):
    """Training of a segmentation network by a recipe, resumed from the snapshot in the folder.

    Writes `snapshot.pt` and the logs.

    Args:
        model: Network to train, in place, with or without auxiliary heads.
        batches: Training batches.
        loss: Loss function.
        recipe: Training recipe.
        folder: Training folder.
        device: Device of the training.
        workers: Processes of a distributed training.
        validation: Validation during training; None disables it.

    Raises:
        TrainingError: The snapshot in the folder is damaged or of another recipe.
    """

    def __init__(
        self, model: SegmentationModel, batches: MixedBatches, loss: SegmentationLoss,
        recipe: TrainingRecipe, folder: Path, device: torch.device, workers: Workers,
        validation: Validation | None = None,
    ) -> None:
        # Torch's type stubs lack this overload of Module.to.
        model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model, self.batches, self.recipe, self.device = model, batches, recipe, device
        self._loss = loss.to(device)
        self._workers = workers
        self._validation = validation
        self._forward_pass = ForwardPass(device, recipe.precision, model.uses_disparity)
        self._wrapped = workers.wrap(model, device)
        self._optimizer = build_optimizer(model, recipe)
        self._average = AveragedModel(
            model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=False,
        ) if recipe.average_decay else None
        self._folder = folder
        self._snapshot_path = folder / 'snapshot.pt'
        self._agreed_to_stop = False
        self.snapshot_steps = recipe.snapshot_steps
        self.step = 0
        self.num_steps = max(1, round(recipe.epochs * batches.epoch_steps))
        if self._snapshot_path.is_file():
            self._resume()

    def _open_logs(self) -> TrainingLogs | None:
        self.model.train()
        if self._workers.number:
            return None
        return TrainingLogs(self._folder, self.step, tensorboard=self.recipe.tensorboard)

    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[StepRecord]:
        began = time.monotonic()
        for batch in self.batches.load(
                self.step, self.num_steps, self.recipe.loader_processes):
            epoch = self.batches.epoch(self.step)
            rate = self._set_learning_rate(epoch)
            losses, self._agreed_to_stop = self._train_step(batch, should_stop)
            yield StepRecord(self.step, epoch, rate, *losses, time.monotonic() - began)
            began = time.monotonic()

    def _stops(self, should_stop: Callable[[], bool]) -> bool:
        return self._agreed_to_stop

    def finish(self, report: Callable[[int, int], None] | None = None) -> SegmentationModel:
        """Finish the network: averaged weights, exact norm statistics, no auxiliary heads.

        Args:
            report: Callback with the number of processed batches and their total.

        Returns:
            Network in evaluation mode.
        """
        if self._average is not None:
            self.model.load_state_dict(self._average.module.state_dict())
        count = min(self.recipe.norm_batches, max(1, round(self.batches.epoch_steps)))
        batches = self.batches.load(
            self.num_steps, self.num_steps + count, self.recipe.loader_processes)

        def run(numbered: tuple[int, Batch]) -> None:
            number, batch = numbered
            self._forward_pass.run(self.model, batch.image, batch.pixels_per_metre)
            if report is not None:
                report(number, count)

        average_norm_statistics(self.model, run, enumerate(batches, 1))
        for buffer in self.model.buffers():
            if buffer.is_floating_point():
                buffer.copy_(self._workers.mean(buffer))
        if hasattr(self.model, 'auxiliary_heads'):
            setattr(self.model, 'auxiliary_heads', None)  # noqa: B010  only some networks have it
        return self.model.eval()

    def write_snapshot(self) -> None:
        """Write a snapshot; only the first worker writes."""
        if self._workers.number == 0:
            average = {} if self._average is None else self._average.state_dict()
            write_snapshot(self._snapshot_path, Snapshot(
                self.step, self.model.state_dict(), average, self._optimizer.state_dict(),
                self.recipe.to_values()))

    def _resume(self) -> None:
        snapshot = read_snapshot(self._snapshot_path, self.recipe)
        self.step = snapshot.step
        self.model.load_state_dict(snapshot.model)
        if self._average is not None:
            self._average.load_state_dict(snapshot.average)
        self._optimizer.load_state_dict(snapshot.optimizer)

    def _set_learning_rate(self, epoch: int) -> float:
        recipe = self.recipe
        rate = cosine_learning_rate(
            epoch, recipe.epochs, recipe.learning_rate, recipe.smallest_learning_rate)
        for group in self._optimizer.param_groups:
            group['lr'] = rate / group['divisor']
        return rate

    def _train_step(
        self, batch: Batch, should_stop: Callable[[], bool]
    ) -> tuple[tuple[float, float, float], bool]:
        # Dropout must be reproducible after a resume.
        torch.manual_seed(
            (self.recipe.seed + self.step) * self._workers.count + self._workers.number)
        output = self._forward_pass.run(self._wrapped, batch.image, batch.pixels_per_metre)
        parts: LossParts = self._loss(output, batch.targets.to(self.device, non_blocking=True))
        self._optimizer.zero_grad(set_to_none=True)
        parts.total.backward()
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        return self._agree(parts, stops=should_stop())

    def _agree(
        self, parts: LossParts, *, stops: bool
    ) -> tuple[tuple[float, float, float], bool]:
        """Losses of the whole batch, and True if any worker requests a stop."""
        own = torch.stack([*parts, parts.total.new_tensor(float(stops))])
        total, main, auxiliary, stopping = self._workers.mean(own).tolist()
        if not math.isfinite(total):
            raise TrainingError(
                f'loss of step {self.step}', must_be='finite', got=total,
                do='begin anew with a lower learning_rate')
        return (total, main, auxiliary), stopping > 0

    def _validate(self, logs: TrainingLogs | None) -> None:
        if self._validation is None:
            return
        every = self.recipe.validation_epochs
        before, after = (self.batches.epoch(step) // every for step in (self.step - 1, self.step))
        if after == before and self.step < self.num_steps:
            return
        model = self.model if self._average is None else self._average.module
        for record in self._validation.score(
                model, self._forward_pass, self.step - 1, self.batches.epoch(self.step)):
            if logs is not None:
                logs.add_validation(record)
        self.model.train()


def build_optimizer(model: SegmentationModel, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """Build Adam with parameter groups that store their learning rate divisor.

    Source: thesis section 4.6.1. The optional weight decay is that of AdamW, an addition to the
    thesis; without weight decay the two are identical.
    """
    divisor = recipe.backbone_divisor if recipe.imagenet_weights else 1.0
    backbone = find_backbone(model)
    pretrained = set() if backbone is None else {id(value) for value in backbone.parameters()}
    groups = [
        {'params': [p for p in model.parameters() if id(p) not in pretrained], 'divisor': 1.0},
        {'params': [p for p in model.parameters() if id(p) in pretrained], 'divisor': divisor},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group['params']], lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay)


def find_backbone(model: nn.Module) -> nn.Module | None:
    """Find the backbone, i.e. the part with ImageNet weights; None without a backbone."""
    for name in ('backbone', 'extractor'):
        found = getattr(model, name, None)
        if isinstance(found, nn.Module):
            return find_backbone(found) or found
    return None


def cosine_learning_rate(
    epoch: int, num_epochs: int, largest: float, smallest: float
) -> float:
    """Cosine learning rate of an epoch, constant within the epoch.

    Args:
        epoch: Completed epochs, from 0.
        num_epochs: Total number of epochs.
        largest: Rate of the first epoch.
        smallest: Limit of the rate towards the end.

    Source: thesis equation 4.1.
    """
    return smallest + (largest - smallest) / 2 * (1 + math.cos(math.pi * epoch / num_epochs))


AnyBatch = TypeVar('AnyBatch')


def average_norm_statistics(
    model: nn.Module, run: Callable[[AnyBatch], object], batches: Iterable[AnyBatch]
) -> None:
    """Replace running averages of batch norms by the mean over batches, weighted equally.

    Args:
        model: Network; its mode is restored.
        run: Forward pass of a batch.
        batches: Batches to average over.

    Source: thesis section 4.6.1.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: cumulative average
    with torch.no_grad():
        for batch in batches:
            run(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)
