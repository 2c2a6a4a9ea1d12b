# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.errors import InferenceError
from ldn_perception.inference.backends import BACKEND_NAMES, build_backend

CPU, CUDA = torch.device('cpu'), torch.device('cuda')


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
