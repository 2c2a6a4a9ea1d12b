# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Triton kernels against the compiled code and torch: interpreted here, run where a GPU is."""

from dataclasses import astuple
from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest
from stereo.test_semi_global_aggregation import PENALTIES, picture, volume
import torch

from ldn_perception.row_workers import RowWorkers
from ldn_perception.stereo.census_cost import CensusCost
from ldn_perception.stereo.device_steps import steps_on
from ldn_perception.stereo.semi_global_aggregation import SmoothnessPenalties, aggregate_costs
from ldn_perception.stereo.torch_aggregation import aggregate_on_device
from ldn_perception.stereo.torch_winners import take_winners_on_device
from ldn_perception.stereo.winner_takes_all import take_winners

with_triton = pytest.mark.skipif(find_spec('triton') is None, reason='triton is not installed')
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='torch sees no GPU')

PAIR = Path(__file__).resolve().parents[3] / 'shared' / 'data' / 'kitti2015_000046'
PACKAGE = Path(__file__).resolve().parents[2]


def random_case(height, width, num_disparities, num_paths, penalties=PENALTIES, top=256):
    return (volume(height, width, num_disparities, top=top), picture(height, width), penalties,
            num_paths)


SUMS = {
    '4 paths, 16': lambda: random_case(5, 9, 16, 4),
    '8 paths, 5': lambda: random_case(6, 4, 5, 8),
    '8 paths, 33': lambda: random_case(3, 7, 33, 8),
    '4 paths, 192': lambda: random_case(2, 5, 192, 4),
    '8 paths, 70, a row': lambda: random_case(1, 6, 70, 8),
    '8 paths, 64, a column': lambda: random_case(6, 1, 64, 8),
    'a disparity': lambda: random_case(3, 3, 1, 8),
    'largest penalties': lambda: (
        np.where(volume(4, 4, 8, top=2) > 0, np.uint8(255), np.uint8(0)),
        np.zeros((4, 4), np.uint8), SmoothnessPenalties(4095, 4095, 256, 1.0), 8),
    'always an edge': lambda: random_case(4, 4, 8, 4, SmoothnessPenalties(9, 60, -3, 2.0)),
    'real pair, 4 paths': lambda: real_case(4),
    'real pair, 8 paths': lambda: real_case(8),
}
WINNERS = {
    f'{"x".join(map(str, shape))}, {low}, {percent} %': (shape, low, percent)
    for shape, low, percent in (
        ((6, 19, 9), 0, 0), ((6, 19, 9), 3, 10), ((3, 17, 9), -4, 60), ((2, 33, 40), 5, 100),
        ((1, 19, 9), 30, 0), ((1, 19, 9), -30, 0), ((2, 9, 3), 0, 0), ((2, 9, 1), 0, 0))
}


def real_case(num_paths):
    """Census costs of a patch of a real pair."""
    if not PAIR.is_dir():
        return None
    left, right = (
        cv2.imread(str(PAIR / f'{side}.png'))[200:230, 400:700] for side in ('left', 'right'))
    rows, columns = slice(10, 15), slice(150, 162)
    costs = CensusCost().compute(left, right, 0, 48)[rows, columns].copy()
    grey = cv2.cvtColor(left, cv2.COLOR_BGR2GRAY)[rows, columns].copy()
    return costs, grey, SmoothnessPenalties(), num_paths


def sums_of_winners(shape):
    return np.random.default_rng(8).integers(0, 90, shape).astype(np.uint16)


@pytest.fixture(scope='module')
def interpreted(tmp_path_factory):
    """Results of all cases by name, of the kernels in Triton's interpreter."""
    folder = tmp_path_factory.mktemp('triton')
    arrays, cases = {}, {}
    for name, build in SUMS.items():
        case = build()
        if case is None:
            continue
        arrays[f'{name}/volume'], arrays[f'{name}/image'], penalties, num_paths = case
        cases[name] = {'penalties': astuple(penalties), 'num_paths': num_paths}
    for name, (shape, low, percent) in WINNERS.items():
        arrays[f'{name}/volume'] = sums_of_winners(shape)
        cases[name] = {'min_disparity': low, 'uniqueness_percent': percent}
    np.savez(folder / 'in.npz', cases=json.dumps(cases), **arrays)
    script = Path(__file__).with_name('triton_interpreter.py')
    done = subprocess.run(
        [sys.executable, script, folder / 'in.npz', folder / 'out.npz'], capture_output=True,
        text=True, timeout=850,
        env={**os.environ, 'TRITON_INTERPRET': '1', 'PYTHONPATH': str(PACKAGE)})
    assert done.returncode == 0, done.stderr
    return np.load(folder / 'out.npz')


@with_triton
@pytest.mark.timeout(900)  # the interpreter takes some milliseconds for an operation
class TestInterpreted:
    @pytest.mark.parametrize('name', SUMS)
    def test_sums_are_those_of_the_compiled_code_and_of_torch(self, interpreted, name):
        case = SUMS[name]()
        if case is None:
            pytest.skip(f'no real pair in {PAIR}')
        costs, image, penalties, num_paths = case
        assert interpreted[name].dtype == np.uint16
        np.testing.assert_array_equal(interpreted[name], aggregate_costs(
            costs, image, penalties, num_paths, RowWorkers()))
        np.testing.assert_array_equal(interpreted[name], aggregate_on_device(
            torch.from_numpy(costs), torch.from_numpy(image), penalties, num_paths).numpy())

    @pytest.mark.parametrize('name', WINNERS)
    def test_winners_are_those_of_torch_and_of_the_compiled_code(self, interpreted, name):
        shape, low, percent = WINNERS[name]
        totals = sums_of_winners(shape)
        torched = take_winners_on_device(
            torch.from_numpy(totals.astype(np.int32)), low, percent)
        compiled = take_winners(totals, low, percent, RowWorkers())
        for found, same, close in zip(interpreted[name], torched, compiled, strict=True):
            np.testing.assert_array_equal(found, same.numpy())
            np.testing.assert_allclose(found, close, rtol=0, atol=1e-5)


@with_triton
@on_gpu
class TestOnGpu:
    @pytest.mark.parametrize('num_paths', [4, 8])
    @pytest.mark.parametrize('num_disparities', [16, 33, 100, 128, 192])
    def test_sums_and_winners_are_those_of_the_compiled_code(self, num_paths, num_disparities):
        costs, image, penalties, _ = random_case(83, 210, num_disparities, num_paths, top=100)
        steps = steps_on(torch.device('cuda'))
        sums = steps.aggregate(
            torch.from_numpy(costs).cuda(), torch.from_numpy(image).cuda(), penalties, num_paths)
        expected = aggregate_costs(costs, image, penalties, num_paths, RowWorkers())
        np.testing.assert_array_equal(sums.cpu().numpy(), expected)
        wanted = take_winners(expected, 0, 10, RowWorkers())
        for found, values in zip(steps.take_winners(sums, 0, 10), wanted, strict=True):
            np.testing.assert_allclose(found.cpu().numpy(), values, rtol=0, atol=1e-5)

    def test_a_gpu_gets_the_kernels(self):
        assert steps_on(torch.device('cuda')).aggregate.__name__ == 'aggregate_in_launches'


@with_triton
@pytest.mark.timeout(600)
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path, monkeypatch):
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from ldn_perception.stereo import triton_aggregation, triton_winners
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    pointers = {'costs': '*u8', 'levels': '*u8', 'totals': '*u16', 'left': '*fp32',
                'right': '*fp32', 'confidence': '*fp32'}
    for kernel, constants, num_warps in (
        (triton_aggregation._follow_paths,
         {'NUM_DISPARITIES': 70, 'LANES': 32, 'ABREAST': 2}, 1),
        (triton_winners._take_left, {'NUM_DISPARITIES': 70, 'LANES': 128, 'NUM_PIXELS': 8}, 4),
        (triton_winners._take_right, {'NUM_DISPARITIES': 70, 'LANES': 128, 'NUM_PIXELS': 16}, 4),
    ):
        types = {name: 'constexpr' if name in constants else pointers.get(name, 'i32')
                 for name in kernel.arg_names}
        compiled = compile_kernel(
            ASTSource(fn=kernel, signature=types, constexprs=constants),
            target=GPUTarget('cuda', 90, 32), options={'num_warps': num_warps})
        assert compiled.asm['cubin']
        if num_warps == 1:  # what lanes ask each other for goes through no memory
            assert 'shfl.sync' in compiled.asm['ptx']
            assert compiled.metadata.shared == 0


def test_without_a_gpu_torch_takes_the_steps():
    steps = steps_on(torch.device('cpu'))
    assert steps == (aggregate_on_device, take_winners_on_device)


def test_without_triton_torch_takes_the_steps_on_a_gpu(monkeypatch):
    monkeypatch.setattr('ldn_perception.stereo.device_steps.find_spec', lambda name: None)
    assert steps_on(torch.device('cuda')) == (aggregate_on_device, take_winners_on_device)


@with_triton
def test_with_triton_its_kernels_take_the_steps_on_a_gpu():
    names = [step.__name__ for step in steps_on(torch.device('cuda'))]
    assert names == ['aggregate_in_launches', 'take_winners_in_launches']
