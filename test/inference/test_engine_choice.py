# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from made_engines import MadeBackend
import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference import backends
from ldn_perception.inference.backends import choose_backends

CPU, GPU = torch.device('cpu'), torch.device('cuda')


@pytest.fixture
def installed(monkeypatch):
    """The backends that can be built; a test fills it."""
    names = set()

    def build(name, device, precision, num_threads, calibration):
        if name not in names or (calibration and name != 'openvino'):
            raise InferenceError(
                f'package {name}', must_be='installed', got='none', do='install it')
        return MadeBackend(f'{name}/{device.type}/{num_threads}')

    monkeypatch.setattr(backends, 'build_backend', build)
    return names


def chosen(wanted, device=CPU, is_trained=True, calibration=None):
    choice = choose_backends(
        wanted, device, torch.float32, 3, calibration, is_trained=is_trained)
    return [backend.name for backend in choice.backends], choice.is_named, choice.reason


@pytest.mark.parametrize(('names', 'device', 'expected'), [
    ('openvino onnxruntime compiled', CPU, ['openvino/cpu/3']),
    ('openvino onnxruntime compiled tensorrt', GPU, ['tensorrt/cuda/3', 'compiled/cuda/3']),
    ('openvino onnxruntime compiled', GPU, ['compiled/cuda/3']),
])
def test_auto_tries_what_is_fast_on_the_device_and_installed(
    installed, names, device, expected,
):
    installed.update(names.split())
    assert chosen('auto', device) == (expected, False, '')


def test_auto_is_torch_where_nothing_is_installed_and_says_why(installed):
    installed.add('onnxruntime')
    assert chosen('auto') == (
        [], False, 'package openvino must be installed, got none: install it')
    assert chosen('auto', GPU)[2].count('must be installed') == 2


def test_untrained_networks_stay_with_torch(installed):
    installed.add('openvino')
    assert chosen('auto', is_trained=False) == ([], False, 'untrained networks are not exported')
    with pytest.raises(InferenceError, match=(
            r'inference\.engine must be torch or auto for a network without weights, got '
            r'openvino: name a weights file in model\.weights, or choose torch')):
        chosen('openvino', is_trained=False)


def test_torch_is_torch(installed):
    installed.add('openvino')
    assert chosen('torch') == chosen('torch', is_trained=False) == ([], False, '')


def test_an_engine_is_taken_by_its_name_or_refused(installed):
    installed.add('onnxruntime')
    assert chosen('onnxruntime') == (['onnxruntime/cpu/3'], True, '')
    with pytest.raises(InferenceError, match='package compiled must be installed'):
        chosen('compiled')


def test_int8_runs_where_an_engine_has_it(installed):
    installed.update(('openvino', 'compiled', 'tensorrt'))
    assert chosen('auto', calibration='images') == (['openvino/cpu/3'], False, '')
    assert chosen('openvino', calibration='images') == (['openvino/cpu/3'], True, '')


@pytest.mark.parametrize(('wanted', 'device', 'got'), [
    ('torch', CPU, 'torch'),
    ('auto', GPU, 'package tensorrt .*package compiled .*'),
])
def test_int8_is_refused_where_none_has_it(installed, wanted, device, got):
    installed.update(('openvino', 'compiled', 'tensorrt'))
    with pytest.raises(InferenceError, match=(
            f'engine for precision int8 must be openvino, on a CPU, got {got}: set '
            r'inference\.engine to openvino and inference\.device to cpu, or another precision')):
        chosen(wanted, device, calibration='images')
