# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import logging
import os
import re
import threading
import time

from made_engines import (
    LIMIT_S,
    LOGITS,
    MadeBackend,
    MadeEngine,
    MadeExporter,
    with_wrong_labels,
)
import pytest
import torch

from ldn_perception.errors import InferenceError, ModelError
from ldn_perception.inference.backends import EngineChoice
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize
from ldn_perception.inference.engine_trial import NUM_IMAGES
from ldn_perception.inference.exports import ArtefactCache
from ldn_perception.inference.prepared_engine import PreparedEngine
from ldn_perception.models.registry import build_model

SLOW_S = 0.02
NETWORK = DeployedNetwork(build_model('ldn_small', 5))
SIZE, OTHER_SIZE = ImageSize(200, 80), ImageSize(160, 96)
OTHER_LOGITS = LOGITS + 1  # the same labels


def image_of(size):
    return torch.zeros(size.height_px, size.width_px, 3, dtype=torch.uint8)


class Case:
    """A prepared engine and its made parts; new ones with the same folder are a new start."""

    def __init__(
        self, folder, *backends, waits=False, is_named=False, reference_s=SLOW_S, error=None,
        precision='float32',
    ):
        self.reference = MadeEngine('torch, float32', seconds=reference_s)
        self.cache = ArtefactCache(folder)
        self.exporter = MadeExporter(folder, NETWORK, backends, error)
        self.engine = PreparedEngine(
            self.reference, NETWORK, EngineChoice(backends, is_named), precision, self.cache,
            self.exporter, waits=waits)

    def run(self, size=SIZE):
        return self.engine.run(image_of(size))

    def run_until_exported(self, size=SIZE):
        """Images until the exports of a size are over, each answered by the reference."""
        deadline = time.monotonic() + LIMIT_S
        assert torch.equal(self.run(size), LOGITS)
        while self.engine._work is not None and not self.engine._work.exports.is_done:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def run_until_decided(self, size=SIZE):
        self.run_until_exported(size)
        for _ in range(NUM_IMAGES):
            assert torch.equal(self.run(size), LOGITS)


def fast(name='quick', **options):
    return MadeBackend(name, MadeEngine(f'{name}, float32', OTHER_LOGITS, **options))


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO, 'ldn_perception')
    return caplog


def test_torch_answers_until_the_faster_engine_is_exported_loaded_and_tried(tmp_path, log):
    backend = fast()
    case = Case(tmp_path, backend)
    assert (case.engine.description, case.engine.device) == ('torch, float32', torch.device('cpu'))
    case.exporter.is_let.clear()
    for _ in range(3):
        assert torch.equal(case.run(), LOGITS)
    assert case.engine.description == (
        'torch, float32, until quick is exported for 200x80 (0 s so far)')
    assert log.messages == [
        'exporting the network for quick and images of 200x80, once; torch, float32 answers '
        'meanwhile']
    case.exporter.is_let.set()
    case.run_until_exported()
    assert log.messages[1:] == ['quick is exported for 200x80: 0 s']
    for _ in range(NUM_IMAGES):
        assert case.engine.description == 'torch, float32'
        assert torch.equal(case.run(), LOGITS)
    pattern = r'quick, float32: [\d.]+ ms against [\d.]+ ms of torch, float32'
    assert re.fullmatch(pattern, case.engine.description)
    assert log.messages[2:] == [f'engine for 200x80: {case.engine.description}']
    count = case.reference.count
    assert torch.equal(case.run(), OTHER_LOGITS)
    assert case.reference.count == count
    assert (case.exporter.asked, backend.loaded) == ([('quick', SIZE)], [SIZE])


def test_engines_are_loaded_and_run_on_the_thread_that_runs_the_images(tmp_path):
    threads = set()

    class Watching(MadeBackend):
        def load(self, *arguments):
            threads.add(threading.current_thread())
            return super().load(*arguments)

    Case(tmp_path, Watching('quick', MadeEngine('quick'))).run_until_decided()
    assert threads == {threading.current_thread()}


def test_an_image_that_waits_gets_the_engine_of_all_others(tmp_path, log):
    case = Case(tmp_path, fast(), waits=True)
    assert torch.equal(case.run(), OTHER_LOGITS)
    assert case.engine.description.startswith('quick, float32: ')
    assert log.messages[0] == (
        'exporting the network for quick and images of 200x80, once; that may take minutes')
    assert case.reference.count == NUM_IMAGES


@pytest.mark.parametrize('waits', [True, False])
def test_the_next_start_takes_the_same_engine_untried(tmp_path, log, waits):
    first = Case(tmp_path, fast())
    first.run_until_decided()
    slow_now = fast(seconds=2 * SLOW_S)
    second = Case(tmp_path, slow_now, waits=waits, reference_s=0.0)
    log.clear()
    assert torch.equal(second.run(), OTHER_LOGITS)
    assert second.engine.description == first.engine.description
    assert log.messages == [f'engine for 200x80: {first.engine.description}']
    assert second.exporter.asked == []


def test_what_was_decided_can_be_loaded_before_the_first_image(tmp_path, log):
    first = Case(tmp_path, fast(), waits=True)
    sizes = SIZE, OTHER_SIZE, ImageSize(64, 64)
    for number, size in enumerate(sizes):
        first.run(size)
        for file in tmp_path.glob('decision-*.json'):
            os.utime(file, (0, os.stat(file).st_mtime - 10 * (number < 2)))
    log.clear()
    backend = fast()
    second = Case(tmp_path, backend)
    second.engine.load_decided()
    assert backend.loaded == [OTHER_SIZE, sizes[2]]
    assert [text.partition(': ')[0] for text in log.messages] == [
        'engine for 160x96', 'engine for 64x64']
    assert second.engine.description == first.engine.description
    for size in sizes[1:]:
        assert torch.equal(second.run(size), OTHER_LOGITS)
    assert (second.exporter.asked, second.reference.count) == ([], 0)


def test_nothing_is_exported_before_the_first_image(tmp_path):
    first = Case(tmp_path, fast(), waits=True)
    first.engine.load_decided()
    first.run()
    for file in tmp_path.glob('quick-*/*'):
        file.unlink()
    backend = fast()
    for case in (Case(tmp_path, backend), Case(tmp_path / 'new', backend)):
        case.engine.load_decided()
        assert case.exporter.asked == backend.loaded == []


def test_torch_stays_where_it_is_faster_and_nothing_is_loaded_again(tmp_path):
    first = Case(tmp_path, fast(seconds=SLOW_S), reference_s=0.0)
    first.run_until_decided()
    assert re.fullmatch(
        r'torch, float32: [\d.]+ ms against [\d.]+ ms of quick, float32',
        first.engine.description)
    backend = fast()
    second = Case(tmp_path, backend, waits=True)
    assert torch.equal(second.run(), LOGITS)
    assert (second.engine.description, backend.loaded) == (first.engine.description, [])


@pytest.mark.parametrize('change', ['fingerprint', 'named', 'threads'])
def test_what_a_decision_depends_on_brings_a_new_trial(tmp_path, change, monkeypatch):
    Case(tmp_path, fast(), waits=True).run()
    backend = fast()
    if change == 'fingerprint':
        backend.fingerprint += '.1'
    if change == 'threads':
        monkeypatch.setattr(torch, 'get_num_threads', lambda: 64)
    case = Case(tmp_path, backend, waits=True, is_named=change == 'named')
    case.run()
    assert case.reference.count == NUM_IMAGES
    assert bool(case.exporter.asked) == (change == 'fingerprint')


def warnings_after_export(log):
    """Warnings but for the one that an export is waited for."""
    return [
        record.getMessage() for record in log.records if record.levelname == 'WARNING'
        and not record.getMessage().startswith('exporting the network')]


@pytest.mark.parametrize(('precision', 'wrong', 'is_taken'), [
    ('float32', 10, True), ('float32', 11, False),
    ('bfloat16', 30, True), ('bfloat16', 31, False),
    ('int8', 70, True), ('int8', 71, False),
])
def test_an_engine_with_other_labels_is_refused_though_it_was_named(
    tmp_path, log, precision, wrong, is_taken,
):
    backend = MadeBackend('quick', MadeEngine('quick, float32', with_wrong_labels(wrong)))
    case = Case(tmp_path, backend, waits=True, is_named=True, precision=precision)
    assert torch.equal(case.run(), LOGITS) != is_taken
    warned = warnings_after_export(log)
    percent = {'float32': 99, 'bfloat16': 97, 'int8': 93}[precision]
    assert warned == ([] if is_taken else [
        f'200x80: engine quick is refused: {100 - wrong / 10:.1f} % of its labels are those of '
        f'torch, float32, {percent} % are asked for'])
    assert case.engine.description.startswith('quick' if is_taken else 'torch, float32')


@pytest.mark.parametrize('waits', [True, False])
@pytest.mark.parametrize(('export_error', 'load_error', 'told'), [
    (InferenceError('export', must_be='done', got='an error', do='look'), None,
     'export must be done, got an error: look'),
    (None, InferenceError('artefact', must_be='whole', got='half', do='delete it'),
     'artefact must be whole, got half: delete it'),
    (None, RuntimeError('bad magic'), 'RuntimeError: bad magic'),
])
def test_what_cannot_be_exported_or_loaded_is_told_once_and_torch_stays(
    tmp_path, log, waits, export_error, load_error, told,
):
    backend = MadeBackend('quick', MadeEngine('quick'), load_error)
    case = Case(tmp_path, backend, waits=waits, error=export_error)
    case.run_until_exported()
    for _ in range(3):
        assert torch.equal(case.run(), LOGITS)
    warned = warnings_after_export(log)
    assert warned == [
        f'engine quick for 200x80 cannot be used, torch, float32 runs instead: {told}']
    assert case.engine.description == 'torch, float32'
    assert case.exporter.asked == [('quick', SIZE)]


def test_the_next_start_tries_again_what_could_not_be_loaded(tmp_path):
    Case(tmp_path, MadeBackend('quick', load_error=OSError('busy')), waits=True).run()
    assert torch.equal(Case(tmp_path, fast(), waits=True).run(), OTHER_LOGITS)


def test_an_artefact_that_a_decision_needs_is_exported_again(tmp_path):
    Case(tmp_path, fast(), waits=True).run()
    for file in tmp_path.glob('quick-*/*'):
        file.unlink()
    case = Case(tmp_path, fast(), waits=True)
    assert torch.equal(case.run(), OTHER_LOGITS)
    assert (case.exporter.asked, case.reference.count) == ([('quick', SIZE)], 0)


def test_an_export_that_leaves_nothing_is_told(tmp_path, log):
    case = Case(tmp_path, fast(), waits=True)
    case.exporter.export = lambda *_: None
    assert torch.equal(case.run(), LOGITS)
    assert (
        f'artefact of quick for 200x80 must be there after its export, got none in {tmp_path}: '
        'check that the same package and weights are seen by this process and by ldn'
    ) in log.text


def test_the_fastest_of_several_is_taken_and_the_rest_can_fail(tmp_path):
    slow, broken, quick = fast('slow', seconds=SLOW_S / 2), fast('broken'), fast()
    broken.load_error = InferenceError('a', must_be='b', got='c', do='d')
    case = Case(tmp_path, slow, broken, quick)
    case.run_until_decided()
    assert [name for name, _ in case.exporter.asked] == ['slow', 'broken', 'quick']
    assert re.fullmatch(
        r'quick, float32: .* ms against .* ms of torch, float32 and .* ms of slow, float32',
        case.engine.description)


def test_an_engine_that_fails_at_run_time_is_given_up_and_the_image_answered(tmp_path, log):
    backend = fast()
    case = Case(tmp_path, backend, waits=True)
    case.run()
    case.run(OTHER_SIZE)
    backend.engine.error = RuntimeError('out of memory')
    log.clear()
    for size in (SIZE, SIZE, OTHER_SIZE, ImageSize(64, 64)):
        assert torch.equal(case.run(size), LOGITS)
        if size == SIZE:
            assert case.engine.description == 'torch, float32, since quick failed'
    assert log.messages[0] == (
        'engine quick failed on an image of 200x80, torch, float32 runs from now on: '
        'RuntimeError: out of memory')
    assert log.messages[1:] == ['engine for 64x64: torch, float32']


def test_a_fault_of_the_caller_is_not_the_engines(tmp_path):
    backend = fast()
    case = Case(tmp_path, backend, waits=True)
    case.run()
    backend.engine.error = ModelError('scales', must_be='given', got='none', do='give them')
    with pytest.raises(ModelError, match='scales must be given'):
        case.run()
    backend.engine.error = None
    assert torch.equal(case.run(), OTHER_LOGITS)


def test_another_size_is_prepared_by_itself_while_torch_answers(tmp_path):
    case = Case(tmp_path, fast())
    case.run_until_decided(SIZE)
    case.exporter.is_let.clear()
    assert torch.equal(case.run(OTHER_SIZE), LOGITS)
    assert 'exported for 160x96' in case.engine.description
    assert torch.equal(case.run(SIZE), OTHER_LOGITS)
    assert case.engine.description.startswith('quick, float32: ')
    assert torch.equal(case.run(ImageSize(64, 64)), LOGITS)  # one export at a time
    case.exporter.is_let.set()
    case.run_until_decided(OTHER_SIZE)
    assert torch.equal(case.run(OTHER_SIZE), OTHER_LOGITS)
    assert case.exporter.asked == [('quick', SIZE), ('quick', OTHER_SIZE)]


def test_engines_of_two_sizes_are_kept(tmp_path):
    backend = fast()
    case = Case(tmp_path, backend, waits=True)
    third = ImageSize(64, 64)
    for size in (SIZE, OTHER_SIZE, SIZE, third, SIZE, OTHER_SIZE):
        assert torch.equal(case.run(size), OTHER_LOGITS)
    assert backend.loaded == [SIZE, OTHER_SIZE, third, OTHER_SIZE]


def test_closing_ends_an_export(tmp_path):
    case = Case(tmp_path, fast())
    case.exporter.is_let.clear()
    case.run()
    assert not case.engine._work.exports.is_done
    case.engine.close()
    case.engine._work.exports.wait()


def test_a_cache_that_cannot_be_read_costs_no_image(tmp_path, log, monkeypatch):
    def fail(*_):
        raise PermissionError('not yours')

    case = Case(tmp_path, fast(), waits=True)
    monkeypatch.setattr(case.cache, 'find', fail)
    assert torch.equal(case.run(), LOGITS)
    assert 'artefact of quick for 200x80 must be there after its export' in log.text
