# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import pytest
import torch

from ldn_perception.inference import exports as module
from ldn_perception.inference.deployed_network import DeployedNetwork
from ldn_perception.inference.exports import network_digest
from ldn_perception.models.registry import build_model
from ldn_perception.models.segmentation_model import Normalisation

NAMES = ['ldn_small', 'scale_invariant_small']


def build(name='scale_invariant_small', seed=0, **options):
    return DeployedNetwork(build_model(name, 5, seed), **options)


@pytest.mark.parametrize('name', NAMES)
def test_it_is_the_same_in_another_process(name):
    code = ('from ldn_perception.inference.deployed_network import DeployedNetwork\n'
            'from ldn_perception.inference.exports import network_digest\n'
            'from ldn_perception.models.registry import build_model\n'
            f'print(network_digest(DeployedNetwork(build_model({name!r}, 5))))')
    printed = subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == network_digest(build(name))


def test_layout_in_memory_does_not_count():
    network = build()
    before = network_digest(network)
    network.to(memory_format=torch.channels_last)
    assert network_digest(network) == before


def halve_a_weight(network):
    weight = next(network.parameters())
    with torch.no_grad():
        weight.view(-1)[-1] *= 0.5


def store_half(network):
    network.half()


def shift_a_buffer(network):
    next(value for name, value in network.named_buffers() if 'running_mean' in name)[0] += 1


def change_the_pyramid(network):
    network.model.multiplexer.pyramid_factor = 1.31


def change_the_widths(network):
    network.model.multiplexer.reference_widths_m = (1.0, 4.0, 7.5)


def change_the_activation(network):
    for part in network.modules():
        for name, child in part.named_children():
            if isinstance(child, torch.nn.ReLU):
                setattr(part, name, torch.nn.ReLU6())
                return


@pytest.mark.parametrize('change', [
    halve_a_weight, store_half, shift_a_buffer, change_the_pyramid, change_the_widths,
    change_the_activation])
def test_everything_that_changes_the_output_changes_it(change):
    network = build()
    before = network_digest(network)
    change(network)
    assert network_digest(network) != before


def test_the_normalisation_is_part_of_it():
    shifted = Normalisation((0.1, 0.2, 0.3), (0.5, 0.4, 0.3))
    assert network_digest(build()) != network_digest(build(normalisation=shifted))


def test_the_code_is_part_of_it(monkeypatch):
    before = network_digest(build())
    monkeypatch.setattr(module, '_code_of_networks', lambda: b'another forward')
    assert network_digest(build()) != before


def test_it_is_64_hexadecimal_digits():
    assert len(bytes.fromhex(network_digest(build('ldn_small')))) == 32
