# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import multiprocessing
import os
from pathlib import Path
import re
import stat
import threading
import time

import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.exports import ArtefactCache, default_cache_folder
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import Normalisation

SIZE = ImageSize(96, 64)


class FakeBackend:
    """Writes a file, and counts."""

    name = 'fake'

    def __init__(self, fingerprint='fake 1, float32', error=None, meanwhile=None):
        self.fingerprint = fingerprint
        self.num_exports = 0
        self._error = error
        self._meanwhile = meanwhile

    def export(self, network, size, folder):
        self.num_exports += 1
        assert list(folder.iterdir()) == []
        (folder / 'half').write_text('half')
        if self._meanwhile is not None:
            self._meanwhile()
        if self._error is not None:
            raise self._error
        (folder / 'network').write_text(str(size))

    def load(self, network, size, folder):
        raise NotImplementedError


@pytest.fixture(scope='module')
def network():
    return DeployedNetwork(build_model('ldn_small', 5))


@pytest.fixture
def cache(tmp_path):
    return ArtefactCache(tmp_path / 'deep' / 'engines')


def visible(cache):
    return sorted(path.name for path in cache.folder.glob('*'))


class TestArtefactCache:
    def test_an_artefact_is_exported_once(self, cache, network):
        backend = FakeBackend()
        assert cache.find(backend, network, SIZE) is None
        folder = cache.ensure(backend, network, SIZE)
        assert (folder / 'network').read_text() == '96x64'
        assert folder.name.startswith('fake-96x64-')
        assert cache.ensure(backend, network, SIZE) == folder
        assert cache.find(backend, network, SIZE) == folder
        assert backend.num_exports == 1
        assert visible(cache) == [folder.name]

    def test_another_start_finds_it(self, cache, network):
        folder = cache.ensure(FakeBackend(), network, SIZE)
        again = DeployedNetwork(build_model('ldn_small', 5))
        assert ArtefactCache(cache.folder).find(FakeBackend(), again, SIZE) == folder

    def test_weights_size_and_fingerprint_make_another(self, cache, network):
        cache.ensure(FakeBackend(), network, SIZE)
        other = DeployedNetwork(build_model('ldn_small', 5, seed=1))
        shifted = DeployedNetwork(
            build_model('ldn_small', 5), Normalisation((0.1, 0.2, 0.3), (1.0, 1.0, 1.0)))
        assert cache.find(FakeBackend(), other, SIZE) is None
        assert cache.find(FakeBackend(), shifted, SIZE) is None
        assert cache.find(FakeBackend(), network, ImageSize(64, 96)) is None
        assert cache.find(FakeBackend('fake 2, float32'), network, SIZE) is None

    def test_it_says_what_it_is(self, cache, network):
        backend = FakeBackend(meanwhile=lambda: time.sleep(0.11))
        described = json.loads(
            (cache.ensure(backend, network, SIZE) / 'artefact.json').read_text())
        assert 0.1 <= described.pop('export_s') < 60
        assert re.fullmatch('[0-9a-f]{64}', described.pop('network_sha256'))
        assert described == {
            'backend': 'fake', 'fingerprint': 'fake 1, float32', 'size': '96x64',
            'network': 'LadderDenseNet'}

    @pytest.mark.parametrize('error', [
        InferenceError('network', must_be='simple', got='not', do='give up'),
        KeyboardInterrupt(),
    ])
    def test_a_failed_export_leaves_nothing(self, cache, network, error):
        with pytest.raises(type(error)):
            cache.ensure(FakeBackend(error=error), network, SIZE)
        assert visible(cache) == []
        assert cache.find(FakeBackend(), network, SIZE) is None

    def test_a_killed_export_is_never_taken_for_finished(self, cache, network):
        process = multiprocessing.get_context('fork').Process(
            target=cache.ensure,
            args=(FakeBackend(meanwhile=lambda: os._exit(9)), network, SIZE))
        process.start()
        process.join(60)
        assert process.exitcode == 9
        left = visible(cache)
        assert len(left) == 1
        assert left[0].startswith('.partial-')
        assert cache.find(FakeBackend(), network, SIZE) is None
        folder = cache.ensure(FakeBackend(), network, SIZE)
        assert visible(cache) == sorted([*left, folder.name])
        os.utime(cache.folder / left[0], (0, 0))
        cache.ensure(FakeBackend('later'), network, SIZE)
        assert left[0] not in visible(cache)

    def test_of_two_at_once_one_wins_and_both_are_served(self, cache, network):
        barrier = threading.Barrier(2)
        backends = [FakeBackend(meanwhile=lambda: barrier.wait(30)) for _ in range(2)]
        folders = []
        threads = [
            threading.Thread(
                target=lambda own=own: folders.append(cache.ensure(own, network, SIZE)))
            for own in backends]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [backend.num_exports for backend in backends] == [1, 1]
        assert folders[0] == folders[1]
        assert visible(cache) == [folders[0].name]

    def test_a_folder_that_someone_emptied_is_exported_again(self, cache, network):
        folder = cache.ensure(FakeBackend(), network, SIZE)
        (folder / 'artefact.json').unlink()
        assert cache.find(FakeBackend(), network, SIZE) is None
        assert cache.ensure(FakeBackend(), network, SIZE) == folder
        assert (folder / 'artefact.json').is_file()

    def test_others_may_read_it(self, cache, network):
        mask = os.umask(0o022)
        try:
            folder = cache.ensure(FakeBackend(), network, SIZE)
        finally:
            os.umask(mask)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755

    def test_a_cache_that_cannot_be_made_is_an_error(self, tmp_path, network):
        (tmp_path / 'file').touch()
        cache = ArtefactCache(tmp_path / 'file' / 'engines')
        assert cache.find(FakeBackend(), network, SIZE) is None
        with pytest.raises(InferenceError, match=(
            r'cache of engines .*engines must be a folder that can be written, got .*: choose '
            'another folder or free some space')):
            cache.ensure(FakeBackend(), network, SIZE)

    def test_a_full_disk_is_an_error_and_leaves_nothing(self, cache, network):
        error = OSError(28, 'No space left on device')
        with pytest.raises(InferenceError, match='No space left on device: choose another'):
            cache.ensure(FakeBackend(error=error), network, SIZE)
        assert visible(cache) == []


class TestDefaultFolder:
    def test_it_is_in_the_cache_of_the_user(self, tmp_path, monkeypatch):
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
        assert default_cache_folder() == tmp_path / 'cache' / 'ldn_perception' / 'engines'
        assert default_cache_folder().is_dir()

    @pytest.mark.parametrize('value', ['', 'relative'])
    def test_without_one_it_is_in_the_home(self, tmp_path, monkeypatch, value):
        monkeypatch.setenv('XDG_CACHE_HOME', value)
        monkeypatch.setenv('HOME', str(tmp_path))
        assert default_cache_folder() == tmp_path / '.cache' / 'ldn_perception' / 'engines'

    def test_where_nothing_can_be_written_it_is_temporary(self, tmp_path, monkeypatch, caplog):
        (tmp_path / 'file').touch()
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
        folder = default_cache_folder()
        try:
            assert folder.is_dir()
            assert str(folder) in caplog.text
            assert f'cannot be kept in {tmp_path / "file"}' in caplog.text
        finally:
            Path(folder).rmdir()


def test_torch_is_left_as_it_was(cache, network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    cache.ensure(FakeBackend(), network, SIZE)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
