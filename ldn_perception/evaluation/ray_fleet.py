# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks on the machines of a Ray cluster; the only module that imports Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import logging
import os
from pathlib import Path
import re
import signal
import socket
import time
from types import TracebackType
from typing import Any
import warnings

from ldn_perception.errors import LdnPerceptionError, ReplayError

MAX_RETRIES = 3
"""Maximum number of restarts of a task whose worker dies."""

_ENVIRONMENT = {'RAY_USAGE_STATS_ENABLED': '0'}
_OBJECT_STORE_BYTES = 128 << 20  # only small objects are sent; Ray's default is 30 % of the memory
_INSIST_S = 20.0  # longer than a pair takes: a second interrupt ends a replay at once
_KNOCK_S = 10.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class FleetTask:
    """Task of one worker.

    Attributes:
        name: Name for messages.
        work: Picklable function that returns True if it is complete. It may be restarted after
            its worker was killed, and is interrupted as by Ctrl-C when the fleet stops.
        num_cpus: CPUs it uses, >= 1.
        num_gpus: GPUs it needs on its machine, >= 0.
    """

    name: str
    work: Callable[[], bool]
    num_cpus: int = 1
    num_gpus: int = 0


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """Outcome of a task.

    Attributes:
        number: Index of the task.
        complete: True if the task is complete.
        error: Error of the task; empty if it was stopped.
        host: Name of the machine; empty if unknown.
        seconds: Time of its last attempt [s].
    """

    number: int
    complete: bool = False
    error: str = ''
    host: str = ''
    seconds: float = 0.0


class RayFleet:
    """Context manager of the workers of a Ray cluster.

    Ray provides scheduling, retries and transport. Tasks run in the working directory of this
    process, so relative paths are valid on every machine that has this directory.

    Args:
        address: 'auto' for the cluster of this machine, 'host:port' of another cluster, 'local'
            for a cluster on this machine only that ends with the context.

    Raises:
        ReplayError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise ReplayError(
                'Python package ray', must_be='installed', got=str(error),
                do='pip install "ldn_perception[ray]" here and on every machine of the cluster, '
                'or leave --ray out') from error
        self._ray: Any = ray

    def __enter__(self) -> RayFleet:
        options: dict[str, Any] = {}
        if self._address == 'local':
            options = {'include_dashboard': False, 'object_store_memory': _OBJECT_STORE_BYTES}
        try:
            _knock(self._address)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                self._ray.init(
                    self._address, logging_level=logging.ERROR, log_to_driver=False, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise ReplayError(
                f'Ray address {self._address}',
                must_be='auto, local, or host:port of a running cluster',
                got=' '.join(str(error).split()) or type(error).__name__,
                do='start one with `ray start --head`, or give --ray local') from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ray.shutdown()

    @property
    def has_gpus(self) -> bool:
        """True if any machine has a GPU."""
        return bool(self._ray.cluster_resources().get('GPU'))

    def run(
        self, tasks: Sequence[FleetTask], wants_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[TaskEnd]:
        """Run tasks in parallel, as far as the cluster has resources.

        A task whose worker is killed is restarted up to three times, without effect on other
        tasks. An exception ends only its own task.

        Args:
            tasks: Independent tasks.
            wants_stop: Callback that returns True to interrupt the tasks; polled twice a second.

        Yields:
            Outcomes in the order in which the tasks end.

        Raises:
            ReplayError: No machine has enough resources for a task.
        """
        self._check_room(tasks)
        pending = {self._submit(task): number for number, task in enumerate(tasks)}
        cancelled_s = None
        while pending:
            ready, _ = self._ray.wait(list(pending), timeout=_POLL_S)
            for reference in ready:
                yield self._end(pending.pop(reference), reference)
            now_s = time.monotonic()
            # Ray occasionally loses a cancellation, so it is repeated.
            if (wants_stop() if cancelled_s is None else now_s - cancelled_s > _INSIST_S):
                cancelled_s = now_s
                # Waiting tasks first: they would start when a running task ends.
                for reference in reversed(pending):
                    self._ray.cancel(reference)

    def _check_room(self, tasks: Sequence[FleetTask]) -> None:
        machines = [
            (int(node['Resources'].get('CPU', 0)), int(node['Resources'].get('GPU', 0)))
            for node in self._ray.nodes() if node['Alive']]
        for task in tasks:
            if not any(cpus >= task.num_cpus and gpus >= task.num_gpus for cpus, gpus in machines):
                raise ReplayError(
                    f'a machine of the Ray cluster for {task.name}',
                    must_be=f'one with {task.num_cpus} CPUs and {task.num_gpus} GPUs',
                    got=', '.join(f'{cpus} and {gpus}' for cpus, gpus in machines) or 'none',
                    do='give a smaller --ray-cpus or another inference.device, or add a machine')

    def _submit(self, task: FleetTask) -> Any:
        remote = self._ray.remote(_attempt).options(
            name=task.name, num_cpus=task.num_cpus, num_gpus=task.num_gpus,
            max_retries=MAX_RETRIES, retry_exceptions=False, scheduling_strategy='SPREAD')
        return remote.remote(task.work, Path.cwd())

    def _end(self, number: int, reference: Any) -> TaskEnd:
        exceptions = self._ray.exceptions
        try:
            complete, error, host, seconds = self._ray.get(reference)
        except exceptions.TaskCancelledError:
            return TaskEnd(number)
        except exceptions.RayTaskError as failure:
            return TaskEnd(number, error=_first_line(failure.cause))
        except exceptions.RayError as failure:
            return TaskEnd(number, error=_first_line(failure))
        return TaskEnd(number, complete, error, host, seconds)


def _attempt(work: Callable[[], bool], directory: Path) -> tuple[bool, str, str, float]:
    """Run a task on a worker; return completion, error, host and duration [s]."""
    started, host, error, complete = time.perf_counter(), socket.gethostname(), '', False
    # A cluster started in the background ignores SIGINT, with which Ray cancels tasks.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if not directory.is_dir():
            raise ReplayError(
                f'working directory {directory}', must_be='there on every machine',
                got=f'nothing on {host}', do='start from a folder that all machines share')
        os.chdir(directory)
        complete = work()
    except LdnPerceptionError as failure:
        error = str(failure)
    return complete, error, host, time.perf_counter() - started


def _first_line(error: BaseException) -> str:
    return f'{type(error).__name__}: {str(error).partition(chr(10))[0]}'


def _knock(address: str) -> None:
    """Check within seconds that the address answers; Ray itself would wait for minutes.

    Raises:
        OSError: Nothing answers.
        ValueError: The address is malformed.
    """
    if address in ('auto', 'local'):
        return
    match = re.fullmatch(r'\[?([^/\[\]]+)\]?:(\d+)', address)
    if match is None or not 0 < int(match[2]) < 1 << 16:
        raise ValueError('no such address')
    socket.create_connection((match[1], int(match[2])), _KNOCK_S).close()
