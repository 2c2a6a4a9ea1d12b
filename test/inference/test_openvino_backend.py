# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path
import subprocess
import sys

from inference.tiny_network import SIZE, Undecided, build_tiny
import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference import openvino_backend
from ldn_perception.inference.openvino_backend import OpenVinoBackend

pytest.importorskip('openvino', reason='openvino is not installed')

TESTS = Path(__file__).resolve().parents[1]
CONSTRAINTS = TESTS.parent / 'constraints.txt'


@pytest.fixture(scope='module')
def artefact(tmp_path_factory):
    folder = tmp_path_factory.mktemp('artefact')
    OpenVinoBackend(torch.float32, 1).export(build_tiny(), SIZE, folder)
    return folder


def test_version_and_precision_are_in_the_fingerprint():
    full, half = (
        OpenVinoBackend(dtype, 1).fingerprint for dtype in (torch.float32, torch.bfloat16))
    assert full.startswith(f'openvino {openvino_backend.VERSION}, float32, torch 2.')
    assert half == full.replace('float32', 'bfloat16')


def test_the_version_it_asks_for_is_the_pinned_one():
    assert f'openvino=={openvino_backend.VERSION}\n' in CONSTRAINTS.read_text()


def test_weights_are_stored_whole(artefact):
    layer = build_tiny().model.layer
    stored = (artefact / 'network.bin').read_bytes()
    assert layer.weight.detach().numpy().tobytes() in stored


def test_both_precisions_run_what_was_written_once(artefact):
    network = build_tiny()
    image, = network.example_inputs(SIZE)
    with torch.no_grad():
        expected = network(image)
    for precision in (torch.float32, torch.bfloat16):
        engine = OpenVinoBackend(precision, 1).load(network, SIZE, artefact)
        torch.testing.assert_close(engine.run(image[0]), expected, rtol=0.02, atol=0.02)


def test_options_of_the_plugin_are_explicit(artefact):
    import openvino

    given = {}

    class Watched:
        def compile_model(self, *arguments):
            compiled = core.compile_model(*arguments)
            given.update({
                name: compiled.get_property(name)
                for name in ('INFERENCE_PRECISION_HINT', 'INFERENCE_NUM_THREADS',
                             'PERFORMANCE_HINT', 'ENABLE_CPU_PINNING')})
            return compiled

    core = openvino_backend._shared_core()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_backend, '_shared_core', Watched)
        OpenVinoBackend(torch.float32, 1).load(build_tiny(), SIZE, artefact)
    assert given['INFERENCE_PRECISION_HINT'] == openvino.Type.f32
    assert given['INFERENCE_NUM_THREADS'] == 1
    assert str(given['PERFORMANCE_HINT']).endswith('LATENCY')
    assert given['ENABLE_CPU_PINNING'] is False


@pytest.mark.parametrize('damage', ['missing', 'cut weights', 'cut graph'])
def test_a_damaged_artefact_is_an_error(artefact, tmp_path, damage):
    for file in artefact.iterdir():
        content = file.read_bytes()
        if file.suffix == {'cut weights': '.bin', 'cut graph': '.xml'}.get(damage):
            content = content[:len(content) // 2]
        if damage != 'missing':
            (tmp_path / file.name).write_bytes(content)
    with pytest.raises(InferenceError, match=(
        r'(?s)exported network .* must be as OpenVINO wrote it, got .*: delete that folder and '
        'export again')):
        OpenVinoBackend(torch.float32, 1).load(build_tiny(), SIZE, tmp_path)


def test_a_network_that_cannot_be_exported_is_an_error(tmp_path):
    with pytest.raises(InferenceError, match=(
        r'(?s)network Undecided must be one that OpenVINO can convert, got .*: choose another '
        'engine')):
        OpenVinoBackend(torch.float32, 1).export(build_tiny(Undecided), SIZE, tmp_path)


def test_without_openvino_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(InferenceError, match=(
        r'package openvino must be installed for engine openvino, got .*: pip install '
        rf'openvino=={openvino_backend.VERSION}, or choose another engine')):
        OpenVinoBackend(torch.float32, 1)


def test_nothing_is_reported_over_the_network():
    code = ('import sys, torch\n'
            'from ldn_perception.inference.openvino_backend import OpenVinoBackend\n'
            'OpenVinoBackend(torch.float32, 1)\n'
            'from openvino.tools.ovc import telemetry_utils\n'
            'print(telemetry_utils.tm.__name__, sys.modules["openvino_telemetry"])')
    printed = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    assert printed == 'openvino.tools.ovc.telemetry_stub None\n'


def test_signals_are_handled_when_engines_are_gone(artefact):
    code = ('import gc, os, pathlib, signal, sys, torch\n'
            'from inference.tiny_network import SIZE, build_tiny\n'
            'from ldn_perception.inference.openvino_backend import OpenVinoBackend\n'
            'engines = [OpenVinoBackend(torch.float32, 1).load(\n'
            '    build_tiny(), SIZE, pathlib.Path(sys.argv[1])) for _ in range(2)]\n'
            'while engines:\n'
            '    del engines[0]\n'
            '    gc.collect()\n'
            'signal.signal(signal.SIGUSR1, lambda *_: print("handled"))\n'
            'os.kill(os.getpid(), signal.SIGUSR1)')
    ended = subprocess.run(
        [sys.executable, '-c', code, str(artefact)], capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, (TESTS.parent, TESTS)))})
    assert (ended.returncode, ended.stdout) == (0, 'handled\n'), ended.stderr
