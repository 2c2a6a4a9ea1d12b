# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from importlib import import_module
import subprocess
import sys

import pytest
import torch

from ldn_perception.errors import ModelError
from ldn_perception.models import resnet
from ldn_perception.models.registry import build_model
from ldn_perception.models.resnet import import_torchvision_models

NOT_LOADED = RuntimeError('operator torchvision::nms does not exist')


@pytest.fixture
def declared(monkeypatch):
    """Operators that are declared, none of which torch has before."""
    names = []
    monkeypatch.setattr(resnet, '_DESCRIBED_OPERATORS', ('first', 'second'))
    monkeypatch.setattr(torch.library, 'define', lambda name, schema: names.append(name))
    return names


def importer(monkeypatch, *outcomes):
    """Let imports end one after the other as given; returns the names asked for."""
    asked, remaining = [], list(outcomes)

    def fake_import(name):
        asked.append(name)
        outcome = remaining.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(resnet, 'import_module', fake_import)
    return asked


def run_python(code):
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False)


def test_the_installed_torchvision_is_imported():
    assert import_torchvision_models() is import_module('torchvision.models')


def test_a_whole_torchvision_is_used_as_it_is(monkeypatch, declared):
    asked = importer(monkeypatch, 'module')
    assert import_torchvision_models() == 'module'
    assert (asked, declared) == (['torchvision.models'], [])


def test_operators_that_were_not_loaded_are_declared(monkeypatch, declared):
    importer(monkeypatch, NOT_LOADED, 'module')
    assert import_torchvision_models() == 'module'
    assert declared == ['torchvision::first', 'torchvision::second']


def test_operators_that_were_loaded_are_left_alone(monkeypatch, declared):
    import_torchvision_models()
    monkeypatch.setattr(resnet, '_DESCRIBED_OPERATORS', ('nms', 'second'))
    importer(monkeypatch, NOT_LOADED, 'module')
    import_torchvision_models()
    assert declared == ['torchvision::second']


@pytest.mark.parametrize('outcomes', [
    (ImportError('no module'),), (NOT_LOADED, RuntimeError('no module')),
])
def test_a_torchvision_that_cannot_be_imported_says_what_to_do(monkeypatch, declared, outcomes):
    importer(monkeypatch, *outcomes)
    with pytest.raises(ModelError, match=(
        'package torchvision must be installed for networks on ResNet or VGG-16, got no module: '
        'install the torchvision that fits torch, or choose another network')):
        build_model('deeplab_msc_small', 5)


def test_networks_without_residual_units_run_without_torchvision():
    ended = run_python(
        'import sys\n'
        'sys.modules["torchvision"] = None\n'
        'import ldn_perception.build, ldn_perception.cli.main\n'
        'import ldn_perception.models.imagenet_weights\n'
        'from ldn_perception.models.checkpointing import checkpoint_model\n'
        'from ldn_perception.models.registry import build_model\n'
        'checkpoint_model(build_model("ldn_small", 5), "block_stem_td_up")\n'
        'build_model("scale_invariant_small", 5)\n')
    assert ended.returncode == 0, ended.stderr
