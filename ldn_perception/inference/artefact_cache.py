# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Exported networks on disk, each in a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
import shutil
import tempfile
import time
from uuid import uuid4

from ldn_perception.errors import InferenceError
from ldn_perception.inference.backend import Backend
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.network_digest import network_digest

_PARTIAL = '.partial-'
_DESCRIPTION = 'artefact.json'
_ABANDONED_AFTER_S = 24 * 3600.0


class ArtefactCache:
    """Finds what was exported before, and exports what was not.

    An artefact is known by network, size and fingerprint of the backend: after a change of
    weights, library or arithmetic it is another one. Old ones stay until someone deletes them.
    Processes may share a cache.

    Args:
        folder: Where the artefacts are; it is made when something is exported.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, backend: Backend, network: DeployedNetwork, size: ImageSize) -> Path | None:
        """Folder of a finished artefact; None if there is none."""
        path = self._path(backend, network, size)
        return path if _is_finished(path) else None

    def ensure(self, backend: Backend, network: DeployedNetwork, size: ImageSize) -> Path:
        """Folder of an artefact, exported now if there is none; that may take minutes.

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
    """Where artefacts of this user are kept: $XDG_CACHE_HOME/ldn_perception/engines.

    Without that variable it is below ~/.cache. Where neither can be written it is a new folder
    for temporary files, and the log says so.
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
    """Give a finished artefact its name, unless another process was faster."""
    if path.exists() and not _is_finished(path):
        shutil.rmtree(path)
    os.sync()  # a power cut must not leave a finished folder of unwritten files
    try:
        partial.rename(path)
    except OSError:
        if not _is_finished(path):
            raise


def _remove_abandoned(folder: Path) -> None:
    """Delete what killed exports left behind."""
    for partial in folder.glob(f'{_PARTIAL}*'):
        if time.time() - partial.stat().st_mtime > _ABANDONED_AFTER_S:
            shutil.rmtree(partial, ignore_errors=True)


def _not_writable(folder: Path, error: OSError) -> InferenceError:
    return InferenceError(
        f'cache of engines {folder}', must_be='a folder that can be written', got=error,
        do='choose another folder or free some space')
