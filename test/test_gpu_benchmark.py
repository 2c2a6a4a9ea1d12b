# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu_pipeline.py without a GPU: it says so, and what it would measure runs."""

import argparse
import importlib
from pathlib import Path
import sys

import pytest
import torch

from ldn_perception.inference.deployed_network import ImageSize

BENCHMARKS = Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture
def gpu_pipeline(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module('gpu_pipeline')
    for file in BENCHMARKS.glob('*.py'):
        sys.modules.pop(file.stem, None)


def test_without_a_gpu_it_says_that_nothing_was_measured(gpu_pipeline, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(sys, 'argv', ['gpu_pipeline.py'])
    gpu_pipeline.main()
    assert capsys.readouterr().out == 'not measured: no GPU\n'


def test_every_stage_is_measured_with_every_engine(gpu_pipeline, monkeypatch, tmp_path):
    called = []

    def milliseconds(call):
        call()
        called.append(call)
        return float(len(called))

    monkeypatch.setattr(gpu_pipeline, 'gpu_milliseconds', milliseconds)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'none')
    options = argparse.Namespace(
        runs=1, engines=['torch'], precisions=['float32', 'bfloat16'], disparities=32,
        model='ldn_small', taxonomy='cityscapes', weights='')
    figures = gpu_pipeline.measure(ImageSize(96, 64), options, torch.device('cpu'), tmp_path)
    engines = ['torch float32', 'torch bfloat16']
    for group, titles in {
        'network': engines, 'decode': ['torch', 'chosen'], 'disparity': ['learned'],
        'labels': engines, 'pair': engines,
    }.items():
        assert list(figures[f'{group}, CUDA events']) == titles
    first = figures['network, CUDA events']['torch float32']
    assert first['median ms'] == 3 * 9 + 1  # after three turns of nine calls
    assert first['a second'] == pytest.approx(1e3 / 28)
