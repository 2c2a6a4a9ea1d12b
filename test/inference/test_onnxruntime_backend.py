# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import logging
import sys

from inference.tiny_network import SIZE, Undecided, build_tiny
import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference import onnxruntime_backend
from ldn_perception.inference.onnxruntime_backend import PROVIDERS, OnnxRuntimeBackend

pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

CPU, CUDA = torch.device('cpu'), torch.device('cuda')


def build(provider='cpu', device=CPU, precision=torch.float32):
    return OnnxRuntimeBackend(precision, device, 1, provider)


@pytest.fixture(scope='module')
def artefact(tmp_path_factory):
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    folder = tmp_path_factory.mktemp('artefact')
    build().export(build_tiny(), SIZE, folder)
    return folder


@pytest.fixture
def all_providers(monkeypatch):
    """An onnxruntime that has every provider, and keeps what sessions are opened with."""
    opened = []

    class Session:
        def __init__(self, path, options, providers):
            opened.append((path, options, providers))

        def get_providers(self):
            return ['CPUExecutionProvider']

    import onnxruntime
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [*PROVIDERS.values()])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', Session)
    return opened


def test_library_and_arithmetic_are_in_the_fingerprint():
    import onnxruntime
    assert build().fingerprint.startswith(
        f'onnxruntime {onnxruntime.__version__}, cpu, float32, torch 2.')


def test_one_file_holds_the_network(artefact):
    assert [file.name for file in artefact.iterdir()] == ['network.onnx']
    weight = build_tiny().model.layer.weight.detach().numpy()
    assert weight.tobytes() in (artefact / 'network.onnx').read_bytes()


def test_logits_are_those_of_the_network(artefact):
    network = build_tiny()
    image, = network.example_inputs(SIZE)
    with torch.no_grad():
        expected = network(image)
    engine = build().load(network, SIZE, artefact)
    assert engine.description == 'onnxruntime, float32'
    torch.testing.assert_close(engine.run(image[0]), expected, rtol=1e-4, atol=1e-5)


def test_exporting_leaves_the_log_as_it_was(artefact):
    assert artefact.is_dir()
    logger = logging.getLogger('torch.onnx._internal.exporter._registration')
    assert logger.level != logging.ERROR


@pytest.mark.parametrize('damage', ['missing', 'cut', 'nonsense'])
def test_a_damaged_artefact_is_an_error(artefact, tmp_path, damage):
    content = (artefact / 'network.onnx').read_bytes()
    if damage != 'missing':
        (tmp_path / 'network.onnx').write_bytes(
            content[:len(content) // 2] if damage == 'cut' else b'nonsense')
    with pytest.raises(InferenceError, match=(
        r'(?s)exported network .* must be as torch wrote it, got .*: delete that folder and '
        'export again')):
        build().load(build_tiny(), SIZE, tmp_path)


def test_a_network_that_cannot_be_exported_is_an_error(tmp_path):
    pytest.importorskip('onnxscript', reason='onnxscript is not installed')
    with pytest.raises(InferenceError, match=(
        r'(?s)network Undecided must be one that torch can write as ONNX, got .*: choose another '
        'engine')):
        build().export(build_tiny(Undecided), SIZE, tmp_path)


@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_provider_that_is_not_built_in_is_an_error(provider, monkeypatch):
    import onnxruntime
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    with pytest.raises(InferenceError, match=(
        rf'onnxruntime .* must be built with {PROVIDERS[provider]}, got CPUExecutionProvider: '
        'pip install onnxruntime-gpu in place of onnxruntime, or choose another engine')):
        build(provider, CUDA)


@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_provider_whose_libraries_are_missing_is_an_error(provider, all_providers, tmp_path):
    backend = build(provider, CUDA)
    with pytest.raises(InferenceError, match=(
        rf'provider of engine {backend.name} must be {PROVIDERS[provider]}, got '
        'CPUExecutionProvider: install the CUDA and TensorRT libraries')):
        backend.load(build_tiny(), SIZE, tmp_path)


def test_tensorrt_keeps_its_engine_beside_the_network(all_providers, tmp_path):
    with pytest.raises(InferenceError):
        build('tensorrt', CUDA, torch.bfloat16).load(build_tiny(), SIZE, tmp_path)
    (path, _, ((name, options), (fallback, _))), = all_providers
    assert path == tmp_path / 'network.onnx'
    assert (name, fallback) == ('TensorrtExecutionProvider', 'CUDAExecutionProvider')
    assert options['trt_bf16_enable'] == 'True'
    assert options['trt_engine_cache_enable'] == 'True'
    assert options['trt_engine_cache_path'] == str(tmp_path)


def test_a_tensorrt_engine_is_for_one_kind_of_gpu(all_providers, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda _: 'GPU of the moon')
    backend = build('tensorrt', CUDA, torch.bfloat16)
    assert backend.name == 'tensorrt'
    assert backend.fingerprint.endswith('GPU of the moon')


def test_waiting_threads_give_up_their_cores(all_providers, tmp_path):
    with pytest.raises(InferenceError):
        build('cuda', CUDA).load(build_tiny(), SIZE, tmp_path)
    (_, options, _), = all_providers
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry('session.intra_op.allow_spinning') == '0'


def test_without_onnxruntime_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(InferenceError, match=(
        'package onnxruntime must be installed for engine tensorrt, got .*: pip install '
        r'onnxruntime onnxscript \(on a GPU onnxruntime-gpu onnxscript\), or choose another')):
        build('tensorrt', CUDA)


def test_without_onnxscript_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(onnxruntime_backend, 'find_spec', {'onnxscript': None}.get)
    with pytest.raises(InferenceError, match=(
        'package onnxscript must be installed to export a network, got none: pip install '
        'onnxscript, or choose another engine')):
        build().export(build_tiny(), SIZE, tmp_path)
