# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Replay on several machines: one task for each bag and configuration, and their merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ldn_perception.cli.processes import StopSignals
from ldn_perception.cli.replay_configuration import (
    Configuration,
    ReplayRequest,
    replay_configuration,
)
from ldn_perception.errors import ConfigError, ReplayError
from ldn_perception.evaluation.ray_fleet import FleetTask, RayFleet, TaskEnd
from ldn_perception.evaluation.replay import Watcher, merge_replays, needs_merge
from ldn_perception.evaluation.replay_folder import is_finished
from ldn_perception.hardware import keep_freed_memory

PARTS = 'parts'
"""Folder of the results of single bags."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Ray cluster for a replay.

    Attributes:
        address: Address of the cluster, in the form of ray.init.
        num_cpus: CPUs and threads of a task, >= 1.

    Raises:
        ConfigError: num_cpus is below 1.
    """

    address: str
    num_cpus: int

    def __post_init__(self) -> None:
        if self.num_cpus < 1:
            raise ConfigError(
                '--ray-cpus', must_be='1 or more', got=self.num_cpus,
                do='give the number of cores that a bag may take')


@dataclass(frozen=True, slots=True)
class BagPart:
    """Task of a worker: one bag through one configuration.

    Attributes:
        request: Request for that bag only.
        configuration: The configuration.
        folder: Folder for the results.
        num_threads: CPU threads, >= 1.
    """

    request: ReplayRequest
    configuration: Configuration
    folder: Path
    num_threads: int

    @property
    def name(self) -> str:
        """Name of the task for messages."""
        return f'{self.request.bags[0]}, {self.configuration.name}'

    def is_finished(self) -> bool:
        """Tell if the task is complete.

        Raises:
            ReplayError: The folder contains other results.
        """
        return is_finished(self.folder, self.request.settings(self.configuration))

    def __call__(self) -> bool:
        """Replay, or resume an earlier attempt; return True if all pairs are done."""
        keep_freed_memory()
        cv2.setNumThreads(self.num_threads)
        with StopSignals() as signals:
            watcher = Watcher(wants_stop=lambda: bool(signals.received))
            return replay_configuration(
                self.request, self.configuration, self.folder, watcher, self.num_threads)


def replay_on_fleet(
    request: ReplayRequest, configurations: Sequence[Configuration], output: Path, fleet: Fleet,
    console: Console,
) -> tuple[str, list[str]]:
    """Replay every bag through every configuration on a Ray cluster, and merge what is finished.

    Args:
        request: Request for the replay.
        configurations: Configurations to replay through.
        output: Output folder; gets a folder for each configuration, and one for each bag in
            parts/.
        fleet: The cluster.
        console: Console for a message about every finished bag.

    Returns:
        Name of the signal that stopped it, or an empty string; and the errors of single bags.

    Raises:
        ReplayError: The cluster cannot be reached or is too small, or a folder contains other
            results.
    """
    unmerged = [
        configuration for configuration in configurations
        if needs_merge(request.settings(configuration), output / configuration.name)]
    parts = [
        BagPart(request.of_bag(bag), configuration,
                output / PARTS / configuration.name / part_name(bag), fleet.num_cpus)
        for configuration in unmerged for bag in request.bags]
    finished = {part.folder for part in parts if part.is_finished()}
    stopped_by, errors = _run(parts, finished, fleet, console)
    for configuration in unmerged:
        own = [part.folder for part in parts if part.configuration is configuration]
        done = [folder for folder in own if folder in finished]
        if done:
            merge_replays(
                request.settings(configuration), done, output / configuration.name,
                complete=done == own)
    return stopped_by, errors


def part_name(bag: Path) -> str:
    """Folder name of a bag's results, unique for each path."""
    return f'{bag.stem}_{hashlib.sha256(str(bag.resolve()).encode()).hexdigest()[:8]}'


def _run(
    parts: Sequence[BagPart], finished: set[Path], fleet: Fleet, console: Console,
) -> tuple[str, list[str]]:
    """Run the unfinished parts, and add their folders to `finished`."""
    errors: list[str] = []
    waiting = [part for part in parts if part.folder not in finished]
    if not waiting:
        return '', errors
    with RayFleet(fleet.address) as workers, StopSignals() as signals, Progress(
        TextColumn('bags'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console,
    ) as progress:
        bar = progress.add_task('bags', total=len(parts), completed=len(finished))
        tasks = [
            FleetTask(part.name, part, fleet.num_cpus, _num_gpus(part, workers))
            for part in waiting]
        for end in workers.run(tasks, lambda: bool(signals.received)):
            part = waiting[end.number]
            error = _error_of(part, end, signals.received)
            if error:
                errors.append(f'{part.name}: {error}')
            elif end.complete:
                finished.add(part.folder)
                progress.advance(bar)
            console.print(
                f'{part.name}: {error or _success(part, end)}', markup=False, highlight=False,
                soft_wrap=True)
        is_over = len(finished) + len(errors) == len(parts)
        return '' if is_over else signals.received, errors


def _num_gpus(part: BagPart, workers: RayFleet) -> int:
    device = part.configuration.config.inference.device
    return int(device == 'cuda' or (device == 'auto' and workers.has_gpus))


def _error_of(part: BagPart, end: TaskEnd, stopped_by: str) -> str:
    if end.error:
        return end.error
    if end.complete and not (part.folder / 'replay.json').is_file():
        return str(ReplayError(
            f'results of {end.host}', must_be=f'in {part.folder}', got='nothing there',
            do='give an --output that all machines share'))
    if not end.complete and not stopped_by:
        return f'a signal has stopped it on {end.host}; the same command goes on'
    return ''


def _success(part: BagPart, end: TaskEnd) -> str:
    if not end.complete:
        return 'stopped'
    counts = json.loads((part.folder / 'replay.json').read_text())['counts']
    return f'{counts["processed"]} pairs, {end.seconds:.1f} s on {end.host}'
