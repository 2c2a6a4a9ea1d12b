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
from stereo.test_disparity_refinement import gappy
from stereo.test_learned_cost import whole_vectors
from stereo.test_semi_global_aggregation import PENALTIES, picture, volume
import torch

from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.disparity_refinement import median_of_known
from ldn_perception.stereo.embeddings import NUM_SIGNS
from ldn_perception.stereo.matching_costs import CensusCost, CostShares, vector_costs
from ldn_perception.stereo.semi_global_aggregation import (
    SmoothnessPenalties,
    aggregate_costs,
    take_winners,
)
from ldn_perception.stereo.semi_global_matcher import steps_on
from ldn_perception.stereo.torch_aggregation import (
    Described,
    aggregate_on_device,
    compare_on_device,
)
from ldn_perception.stereo.torch_refinement import (
    median_of_known_on_device,
    take_winners_on_device,
)

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
TORCH_STEPS = (
    compare_on_device, aggregate_on_device, take_winners_on_device, median_of_known_on_device)
WINNERS = {
    f'{"x".join(map(str, shape))}, {low}, {percent} %': (shape, low, percent)
    for shape, low, percent in (
        ((6, 19, 9), 0, 0), ((6, 19, 9), 3, 10), ((3, 17, 9), -4, 60), ((2, 33, 40), 5, 100),
        ((1, 19, 9), 30, 0), ((1, 19, 9), -30, 0), ((2, 9, 3), 0, 0), ((2, 9, 1), 0, 0))
}
COSTS = {  # height, width, length of vectors, shares, first disparity, number of them
    'vectors': (2, 70, 32, CostShares(), 0, 9),
    'vectors and signs': (2, 67, 32, CostShares(32, 2), 0, 20),
    'short vectors, many disparities': (1, 66, 8, CostShares(128, 2), -3, 130),
    'beyond the left border': (1, 9, 20, CostShares(1, 4), 30, 5),
    'beyond the right border': (1, 9, 20, CostShares(32, 4), -40, 5),
    'one disparity': (1, 5, 33, CostShares(64, 1), 0, 1),
}
MEDIANS = {f'{height}x{width}, {side}': (height, width, side) for height, width, side in (
    (9, 40, 5), (3, 130, 3), (1, 1, 5), (1, 7, 5), (7, 1, 3), (2, 3, 5), (4, 5, 1))}


def described(height, width, length, shares):
    """Both images of a pair, of which parts are alike and parts are opposite."""
    vectors = [whole_vectors(height, width, seed, length) for seed in (1, 2)]
    random = np.random.default_rng(3)
    codes = random.integers(0, 2**NUM_SIGNS, (2, height, width), np.uint64)
    for values, opposite in (vectors, np.negative), (codes, lambda code: ~code):
        values[1][:, :2] = values[0][:, 1:3]
        values[1][:, 4:5] = opposite(values[0][:, 4:5])
    codes &= np.uint64(2**NUM_SIGNS - 1)
    shifts = np.arange(NUM_SIGNS, dtype=np.uint64)
    signs = np.int8(2) * (codes[..., None] >> shifts & np.uint64(1)).astype(np.int8) - np.int8(1)
    return vectors, codes, list(signs) if shares.bit else [None, None]


def as_images(vectors, signs, device='cpu'):
    return [
        Described(torch.from_numpy(vector).to(device),
                  None if sign is None else torch.from_numpy(sign).to(device))
        for vector, sign in zip(vectors, signs, strict=True)]


def compiled_costs(vectors, codes, shares, min_disparity, num_disparities):
    costs = np.empty((*codes.shape[1:], num_disparities), np.uint8)
    vector_costs(*vectors, *codes, shares, min_disparity, 44, costs, RowWorkers())
    return costs


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

    def add(name, step, inputs, **options):
        cases[name] = step, {'num_arrays': len(inputs), **options}
        arrays.update({f'{name}/{number}': values for number, values in enumerate(inputs)})

    for name, build in SUMS.items():
        case = build()
        if case is None:
            continue
        *images, penalties, num_paths = case
        add(name, 'aggregate', images, penalties=astuple(penalties), num_paths=num_paths)
    for name, (shape, low, percent) in WINNERS.items():
        add(name, 'take_winners', [sums_of_winners(shape)], min_disparity=low,
            uniqueness_percent=percent)
    for name, (*size, shares, low, number) in COSTS.items():
        vectors, _, signs = described(*size, shares)
        add(name, 'compare', [*vectors, *(sign for sign in signs if sign is not None)],
            shares=astuple(shares), min_disparity=low, num_disparities=number, outside_cost=44)
    for name, (height, width, side) in MEDIANS.items():
        add(name, 'smooth', [gappy(height, width)], side_px=side)
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

    @pytest.mark.parametrize('name', COSTS)
    def test_costs_are_those_of_torch_and_of_the_compiled_code(self, interpreted, name):
        *size, shares, low, number = COSTS[name]
        vectors, codes, signs = described(*size, shares)
        assert interpreted[name].dtype == np.uint8
        np.testing.assert_array_equal(
            interpreted[name], compiled_costs(vectors, codes, shares, low, number))
        np.testing.assert_array_equal(interpreted[name], compare_on_device(
            *as_images(vectors, signs), shares, low, number, 44).numpy())

    @pytest.mark.parametrize('name', MEDIANS)
    def test_medians_are_those_of_torch_and_of_the_compiled_code(self, interpreted, name):
        height, width, side = MEDIANS[name]
        disparity = gappy(height, width)
        np.testing.assert_array_equal(
            interpreted[name], median_of_known(disparity, side, RowWorkers()))
        np.testing.assert_array_equal(
            interpreted[name], median_of_known_on_device(torch.from_numpy(disparity), side))


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

    @pytest.mark.parametrize('shares', [CostShares(), CostShares(32, 2)], ids=str)
    @pytest.mark.parametrize(('low', 'number'), [(0, 128), (-30, 100), (3, 33)])
    def test_costs_are_those_of_the_compiled_code(self, shares, low, number):
        vectors, codes, signs = described(83, 210, 32, shares)
        found = steps_on(torch.device('cuda')).compare(
            *as_images(vectors, signs, 'cuda'), shares, low, number, 44)
        np.testing.assert_array_equal(
            found.cpu().numpy(), compiled_costs(vectors, codes, shares, low, number))

    @pytest.mark.parametrize('side', [1, 3, 5])
    def test_medians_are_those_of_the_compiled_code(self, side):
        disparity = gappy(83, 210)
        found = steps_on(torch.device('cuda')).smooth(torch.from_numpy(disparity).cuda(), side)
        np.testing.assert_array_equal(
            found.cpu().numpy(), median_of_known(disparity, side, RowWorkers()))

    def test_a_gpu_gets_the_kernels(self):
        assert steps_on(torch.device('cuda')).aggregate.__name__ == 'aggregate_in_launches'


@with_triton
@pytest.mark.timeout(600)
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path, monkeypatch):
    from triton import compile as compile_kernel
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from ldn_perception.stereo import triton_kernels
    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    pointers = {'costs': '*u8', 'levels': '*u8', 'totals': '*u16', 'left': '*fp32',
                'right': '*fp32', 'confidence': '*fp32', 'disparity': '*fp32',
                'medians': '*fp32'}
    vectors = dict.fromkeys(('left', 'right', 'left_signs', 'right_signs'), '*i8')
    of_costs = {'LENGTH': 32, 'LANES': 32, 'NUM_SIGNS': 54, 'SIGN_LANES': 64, 'SCALE': 128,
                'NUM_PIXELS': 64, 'NUM_COLUMNS': 64}
    for kernel, constants, num_warps in (
        (triton_kernels._follow_paths,
         {'NUM_DISPARITIES': 70, 'LANES': 32, 'ABREAST': 2}, 1),
        (triton_kernels._take_left, {'NUM_DISPARITIES': 70, 'LANES': 128, 'NUM_PIXELS': 8}, 4),
        (triton_kernels._take_right, {'NUM_DISPARITIES': 70, 'LANES': 128, 'NUM_PIXELS': 16}, 4),
        (triton_kernels._take_medians, {'SIDE': 5, 'NUM_PIXELS': 128}, 4),
        (triton_kernels._compare_tile, of_costs, 4),
        (triton_kernels._compare_tile, {**of_costs, 'left_signs': None, 'right_signs': None}, 4),
    ):
        named = {**pointers, **vectors} if kernel is triton_kernels._compare_tile else pointers
        types = {name: 'constexpr' if name in constants else named.get(name, 'i32')
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
    assert steps == TORCH_STEPS


def test_without_triton_torch_takes_the_steps_on_a_gpu(monkeypatch):
    monkeypatch.setattr('ldn_perception.stereo.semi_global_matcher.find_spec', lambda name: None)
    assert steps_on(torch.device('cuda')) == TORCH_STEPS


@with_triton
def test_with_triton_its_kernels_take_the_steps_on_a_gpu():
    names = [step.__name__ for step in steps_on(torch.device('cuda'))]
    assert names == ['compare_in_launch', 'aggregate_in_launches', 'take_winners_in_launches',
                     'median_in_launch']
