# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exported networks: background export and a cache on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
import hashlib
import json
import logging
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Protocol
from uuid import uuid4

import torch
from torch import Tensor, nn

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine import Backend

_PARTIAL = '.partial-'
_DESCRIPTION = 'artefact.json'
_ABANDONED_AFTER_S = 24 * 3600.0


class ArtefactCache:
    """Cache of exported networks (artefacts); exports missing ones.

    The key of an artefact is network, image size and fingerprint of the backend, so a change of
    weights, library or arithmetic gives a new one. Old artefacts are not deleted. Several
    processes may share a cache.

    Args:
        folder: Folder of the artefacts; it is created by the first export.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, backend: Backend, network: DeployedNetwork, size: ImageSize) -> Path | None:
        """Return the folder of a finished artefact; None if there is none."""
        path = self._path(backend, network, size)
        return path if _is_finished(path) else None

    def ensure(self, backend: Backend, network: DeployedNetwork, size: ImageSize) -> Path:
        """Return the folder of an artefact, exporting it if missing, which may take minutes.

        Raises:
            InferenceError: The backend cannot export the network, or the cache cannot be written.
        """
        path = self._path(backend, network, size)
        if _is_finished(path):
            return path
        partial = self._make_partial()
        try:
            started_s = time.monotonic()
            backend.export(network, size, partial)
            _describe(partial, backend, network, size, time.monotonic() - started_s)
            _publish(partial, path)
        except OSError as error:
            raise _not_writable(self.folder, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return path

    def _path(self, backend: Backend, network: DeployedNetwork, size: ImageSize) -> Path:
        key = f'{backend.fingerprint}\n{size}\n{network_digest(network)}'
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self.folder / f'{backend.name}-{size}-{digest[:24]}'

    def _make_partial(self) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(self.folder)
            partial = self.folder / f'{_PARTIAL}{uuid4().hex}'
            partial.mkdir()
            return partial
        except OSError as error:
            raise _not_writable(self.folder, error) from error


def default_cache_folder() -> Path:
    """Return the artefact folder of this user: $XDG_CACHE_HOME/ldn_perception/engines.

    Without that variable it is below ~/.cache. If that is not writable, a new temporary folder is
    used and a warning is logged.
    """
    folder = _user_cache() / 'ldn_perception' / 'engines'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
        reason = 'it is read-only'
    except OSError as error:
        reason = str(error)
    temporary = Path(tempfile.mkdtemp(prefix='ldn_perception-engines-'))
    logging.getLogger(__name__).warning(
        'exported networks cannot be kept in %s (%s), but in %s: the next start will export '
        'them again; set XDG_CACHE_HOME to a folder that can be written', folder, reason,
        temporary)
    return temporary


def _user_cache() -> Path:
    wanted = Path(os.environ.get('XDG_CACHE_HOME', ''))
    return wanted if wanted.is_absolute() else Path(os.path.expanduser('~')) / '.cache'


def _is_finished(path: Path) -> bool:
    return (path / _DESCRIPTION).is_file()


def _describe(
    folder: Path, backend: Backend, network: DeployedNetwork, size: ImageSize, seconds: float,
) -> None:
    description = {
        'backend': backend.name, 'fingerprint': backend.fingerprint, 'size': str(size),
        'network': type(network.model).__name__, 'network_sha256': network_digest(network),
        'export_s': round(seconds, 1),
    }
    (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2) + '\n')


def _publish(partial: Path, path: Path) -> None:
    """Rename a finished artefact to its final path, unless another process was faster."""
    if path.exists() and not _is_finished(path):
        shutil.rmtree(path)
    os.sync()  # after a power cut, a finished folder must not contain unwritten files
    try:
        partial.rename(path)
    except OSError:
        if not _is_finished(path):
            raise


def _remove_abandoned(folder: Path) -> None:
    """Delete the leftovers of killed exports."""
    for partial in folder.glob(f'{_PARTIAL}*'):
        if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(partial, ignore_errors=True)


def _not_writable(folder: Path, error: OSError) -> InferenceError:
    return InferenceError(
        f'cache of engines {folder}', must_be='a folder that can be written', got=error,
        do='choose another folder or free some space')


def network_digest(network: DeployedNetwork) -> str:
    """SHA-256 of weights, buffers, modules with their settings, and the code of the networks.

    The code is included so that a change of a `forward` invalidates old artefacts.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(_code_of_networks())
    for name, module in network.named_modules():
        digest.update(f'{name}: {_settings(module)}\n'.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f'{name}: {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(_bytes_of(value))
    return digest.hexdigest()


def _settings(module: nn.Module) -> str:
    """Class and plain attributes of a module, such as strides and number of levels."""
    values = {name: value for name, value in sorted(vars(module).items()) if _is_plain(value)}
    return f'{type(module).__qualname__} {values}'


def _is_plain(value: object) -> bool:
    """Return True if the text of a value is the same in every process."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _bytes_of(value: Tensor) -> bytes:
    flat = value.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()


@cache
def _code_of_networks() -> bytes:
    package = Path(__file__).parents[1]
    files = [Path(__file__).with_name('deployed_network.py'), *(package / 'models').glob('*.py')]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.digest()


class Exporter(Protocol):
    """Exports networks outside this process."""

    def export(self, engine: str, size: ImageSize) -> None:
        """Export into the cache for a backend by name; see `ExportProcess.export`."""
        ...

    def stop(self) -> None:
        """Terminate a running export."""
        ...


class BackgroundExports:
    """Exports for several backends in sequence, in a thread that only waits.

    Args:
        exporter: Runs each export.
        names: Names of the backends.
        size: Size of the images.

    Attributes:
        names: Names of the backends.
        failures: Exceptions of failed exports, by backend name.
    """

    def __init__(self, exporter: Exporter, names: Sequence[str], size: ImageSize) -> None:
        self._exporter = exporter
        self.names = names
        self._size = size
        self._present: tuple[str, float] | None = None
        self.failures: dict[str, Exception] = {}
        self._thread = threading.Thread(target=self._run, name='exports', daemon=True)

    def start(self) -> None:
        """Start the exports."""
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """True if all started exports have ended."""
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Wait until all started exports have ended."""
        if self._thread.is_alive():
            self._thread.join()

    def describe(self) -> str:
        """Describe the running export and its duration; '' if none is running."""
        present = self._present
        if present is None:
            return ''
        name, started_s = present
        seconds = time.monotonic() - started_s
        return f'{name} is exported for {self._size} ({seconds:.0f} s so far)'

    def _run(self) -> None:
        logger = logging.getLogger(__name__)
        for name in self.names:
            started_s = time.monotonic()
            self._present = name, started_s
            try:
                self._exporter.export(name, self._size)
                logger.info('%s is exported for %s: %.0f s', name, self._size,
                            time.monotonic() - started_s)
            except Exception as error:  # noqa: BLE001 - reported when the artefact is loaded
                self.failures[name] = error
        self._present = None


LOW_PRIORITY = 10
"""Niceness of an export beside a node: about a tenth of a core that the node keeps busy. With a
smaller share, an export beside a node that keeps every core busy would hardly ever end."""

_LEAST_PRIORITY = 19
_TOLD_LINES = 5


class ExportProcess:
    """Exports the network of a weights file in a subprocess; one export at a time.

    Args:
        weights: Weights file.
        options: Options of `ldn export` besides engine and size: {'precision': 'bfloat16'}.
        niceness: Increment of the subprocess's niceness, in [0, 19].
        command: Command up to the arguments of `ldn export`.
    """

    def __init__(
        self, weights: Path, options: Mapping[str, str], niceness: int = LOW_PRIORITY,
        command: tuple[str, ...] = (sys.executable, '-m', 'ldn_perception.cli.main', 'export'),
    ) -> None:
        self._command = [*command, '--weights', str(weights)]
        for name, value in options.items():
            self._command += [f'--{name}', value]
        self._niceness = niceness
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def export(self, engine: str, size: ImageSize) -> None:
        """Export for one engine and image size into the cache; takes seconds to minutes.

        Raises:
            InferenceError: The process fails or was stopped.
        """
        process = subprocess.Popen(
            [*self._command, '--engine', engine, '--size', str(size)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._process = process
        if self._is_stopped:
            process.terminate()
        elif self._niceness:
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(
                os.PRIO_PROCESS, process.pid, min(_LEAST_PRIORITY, own + self._niceness))
        output, _ = process.communicate()
        self._process = None
        if process.returncode:
            told = ' / '.join(filter(str.strip, output.splitlines()[-_TOLD_LINES:]))
            raise InferenceError(
                f'ldn export for {engine} and {size}', must_be='done without an error',
                got=f'exit code {process.returncode}, {told or "nothing printed"}',
                do='do what it says, or set inference.engine to torch')

    def stop(self) -> None:
        """Terminate a running export and prevent later ones."""
        self._is_stopped = True
        process = self._process
        if process is not None:
            process.terminate()
