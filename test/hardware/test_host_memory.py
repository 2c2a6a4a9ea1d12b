# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import ctypes
import subprocess
import sys

import pytest

from ldn_perception import hardware

MEASURE = """
import resource, sys
import torch
from ldn_perception.hardware import keep_freed_memory
if sys.argv[1] == 'keep':
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(64 << 20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(10):  # until the heap has found its places
    faults()
print(faults())
"""


def faults(mode):
    done = subprocess.run(
        [sys.executable, '-c', MEASURE, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), 'mallopt'), reason='the C library is not glibc')
def test_memory_that_is_kept_is_not_faulted_in_again():
    assert faults('keep') < faults('default') / 10


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(hardware.ctypes, 'CDLL', lambda name: object())
    assert not hardware.keep_freed_memory()
