# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest
import torch

from ldn_perception.cli.main import main
from ldn_perception.models.registry import build_model
from ldn_perception.models.weights import save_weights

CLASSES = ('road', 'car', 'sky', 'tree', 'house')


@pytest.fixture(autouse=True)
def as_many_threads_as_before():
    number = torch.get_num_threads()
    yield
    torch.set_num_threads(number)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    save_weights(path, build_model('ldn_small', 5), 'ldn_small', CLASSES)
    return path


def export(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(['export', *map(str, arguments)])
    return ended.value.code


def test_a_network_is_exported_once_and_tried_each_time(weights, tmp_path, capsys):
    pytest.importorskip('openvino', reason='openvino is not installed')
    options = ('--weights', weights, '--size', '96x64', '--precision', 'float32',
               '--device', 'cpu', '--num-threads', 1, '--output', tmp_path)
    assert export(*options) == 0
    folder, = tmp_path.glob('*')
    assert json.loads((folder / 'artefact.json').read_text())['size'] == '96x64'
    first, start, end, tried = capsys.readouterr().out.splitlines()
    assert first.startswith('small.safetensors: ldn_small for openvino 20')
    assert start == '96x64: exporting, some seconds to minutes'
    assert re.fullmatch(rf'96x64: exported in \d+ s, {folder}', end)
    share = re.fullmatch(
        r'  openvino, float32: \d+ ms; torch, float32: \d+ ms; the same labels on ([\d.]+) % of '
        'a noise image', tried)
    assert float(share[1]) > 99.9
    assert export(*options) == 0
    _, found, _ = capsys.readouterr().out.splitlines()
    assert found == f'96x64: exported before, {folder}'
    assert list(tmp_path.glob('*')) == [folder]


@pytest.mark.parametrize(('arguments', 'text'), [
    (('--size', 'large'), "ldn: --size must be WIDTHxHEIGHT, got 'large': write for example"),
    (('--size', '96x64', '--engine', 'tensorrt', '--device', 'cpu'),
     'ldn: device of engine tensorrt must be cuda, got cpu: choose that device'),
    (('--size', '96x64', '--engine', 'onnxruntime', '--device', 'cpu', '--precision', 'bfloat16'),
     'ldn: precision of engine onnxruntime must be float32, got bfloat16: choose float32'),
    (('--size', '96x64', '--device', 'cpu', '--precision', 'int8'),
     'ldn: inference.calibration_images must be the folder of 8 or more images for precision '
     'int8, got nothing: save images of your camera in one and name it'),
    (('--size', '96x64', '--engine', 'torch'),
     'ldn: --engine must be one of openvino, onnxruntime, tensorrt, compiled, got torch: choose'),
    (('--size', '96x64', '--weights', 'ldn121_raod'),
     'ldn: weights must be a weights file (.safetensors) or one of ldn121_road, scale_invariant_'),
])
def test_what_cannot_be_is_one_sentence(weights, tmp_path, arguments, text, capsys):
    if '--engine' in arguments:
        pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    assert export(
        '--weights', weights, '--num-threads', 1, '--output', tmp_path, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(text)
    assert error.count('\n') == 1


def test_weights_that_are_not_there_are_an_error(tmp_path, capsys):
    pytest.importorskip('openvino', reason='openvino is not installed')
    assert export(
        '--weights', tmp_path / 'none.safetensors', '--size', '96x64', '--num-threads', 1,
        '--device', 'cpu', '--output', tmp_path) == 1
    assert 'none.safetensors must be an existing file, got nothing' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
