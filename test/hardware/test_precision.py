# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which arithmetic is chosen on which device."""

from pathlib import Path

import pytest
import torch

from ldn_perception.hardware import choose_precision

CPU, GPU = torch.device('cpu'), torch.device('cuda')


@pytest.mark.parametrize(('wanted', 'dtype'), [
    ('float32', torch.float32), ('bfloat16', torch.bfloat16)])
def test_what_is_wished_is_taken_whatever_the_device_is(wanted, dtype, monkeypatch):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: {'amx_bf16': True})
    assert choose_precision(wanted, CPU) is dtype


@pytest.mark.parametrize(('capabilities', 'dtype'), [
    ({'amx_bf16': True, 'avx512_bf16': False}, torch.bfloat16),
    ({'amx_bf16': False, 'avx512_bf16': True}, torch.bfloat16),
    ({'amx_bf16': False, 'avx512_bf16': False, 'avx512_f': True}, torch.float32),
    ({}, torch.float32),
])
def test_auto_asks_the_cpu_for_instructions(capabilities, dtype, monkeypatch):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities)
    assert choose_precision('auto', CPU) is dtype


def test_what_is_not_in_int8_is_as_with_auto(monkeypatch):
    for capabilities in ({'avx512_bf16': True}, {}):
        monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda found=capabilities: found)
        assert choose_precision('int8', CPU) is choose_precision('auto', CPU)


def test_auto_finds_on_this_cpu_what_the_kernel_lists():
    if not Path('/proc/cpuinfo').is_file() or 'flags' not in Path('/proc/cpuinfo').read_text():
        pytest.skip('no x86 flags in /proc/cpuinfo')
    flags = next(
        line for line in Path('/proc/cpuinfo').read_text().splitlines()
        if line.startswith('flags')).split()
    multiplies = 'amx_bf16' in flags or 'avx512_bf16' in flags
    assert choose_precision('auto', CPU) is (torch.bfloat16 if multiplies else torch.float32)


@pytest.mark.parametrize(('capability', 'dtype'), [
    ((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)])
def test_auto_takes_tensor_cores_from_ampere_on(capability, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: capability)
    assert choose_precision('auto', GPU) is dtype
