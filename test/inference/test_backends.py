# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.backends import BACKEND_NAMES, build_backend

CPU, CUDA = torch.device('cpu'), torch.device('cuda')
CALIBRATION = SimpleNamespace(digest='0123456789abcdef')


def test_backends_have_the_names_they_are_asked_for_by():
    pytest.importorskip('openvino', reason='openvino is not installed')
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    assert BACKEND_NAMES == ('openvino', 'onnxruntime', 'tensorrt', 'compiled')
    for name in ('openvino', 'onnxruntime'):
        assert build_backend(name, CPU, torch.float32, 1).name == name


@pytest.mark.parametrize(('name', 'device', 'precision', 'text'), [
    ('nothing', CPU, torch.float32,
     "engine must be one of openvino, onnxruntime, tensorrt, compiled, got 'nothing': choose"),
    ('openvino', CUDA, torch.float32,
     'device of engine openvino must be cpu, got cuda: choose that device, or another engine'),
    ('tensorrt', CPU, torch.float32,
     'device of engine tensorrt must be cuda, got cpu: choose that device, or another engine'),
    ('onnxruntime', CPU, torch.bfloat16,
     'precision of engine onnxruntime must be float32, got bfloat16: choose float32, or another '
     'engine'),
    ('onnxruntime', CUDA, torch.bfloat16,
     'precision of engine onnxruntime must be float32, got bfloat16'),
])
def test_what_cannot_be_is_said(name, device, precision, text):
    if name in ('onnxruntime', 'tensorrt'):
        pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    with pytest.raises(InferenceError, match=text):
        build_backend(name, device, precision, 1)


@pytest.mark.parametrize('name', ['onnxruntime', 'tensorrt', 'compiled'])
def test_only_openvino_computes_in_int8(name):
    with pytest.raises(InferenceError, match=(
            f'precision of engine {name} must be float32 or bfloat16, got int8: choose engine '
            'openvino, or another precision')):
        build_backend(name, CPU, torch.float32, 1, CALIBRATION)


def test_openvino_gets_the_images():
    pytest.importorskip('nncf', reason='nncf is not installed')
    fingerprint = build_backend('openvino', CPU, torch.float32, 1, CALIBRATION).fingerprint
    assert ' int8 for images 0123456789abcdef, ' in fingerprint
