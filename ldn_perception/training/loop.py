# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of every training: steps, logs, validation, snapshots, stops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

Record = TypeVar('Record')


class StepLogs(Protocol):
    """Logs of a training."""

    def add_step(self, record: Any) -> None:
        """Append the record of a step."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class TrainingLoop(ABC, Generic[Record]):
    """A training that is killed and started again does the same steps as one that was not.

    Attributes:
        step: Steps done.
        num_steps: Steps of the whole training.
        snapshot_steps: Steps between two snapshots.
    """

    step: int
    num_steps: int
    snapshot_steps: int

    def train(
        self, should_stop: Callable[[], bool] = lambda: False,
        report: Callable[[Record], None] | None = None,
    ) -> bool:
        """Do the steps that are left.

        Args:
            should_stop: Asked in every step whether it is to be the last for now; with several
                workers one that says so is enough.
            report: Called after every step.

        Returns:
            Whether all steps are done.

        Raises:
            DatasetError: A file is missing or damaged.
            TrainingError: The loss is not finite, or the logs cannot be gone on with.
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
        """Keep the state."""

    @abstractmethod
    def _open_logs(self) -> Any:
        """Open the logs where the training stands; None for a worker that writes none."""

    @abstractmethod
    def _steps(self, should_stop: Callable[[], bool]) -> Iterator[Record]:
        """Do the steps that are left, one for each record."""

    @abstractmethod
    def _validate(self, logs: Any) -> None:
        """Score the network if it is time to."""

    def _stops(self, should_stop: Callable[[], bool]) -> bool:
        return should_stop()
