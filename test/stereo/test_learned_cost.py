# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Costs of embeddings and census codes, compiled and in torch, against loops over pixels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.embeddings import SCALE, PatchEmbedding
from ldn_perception.stereo.learned_cost import OUTSIDE_COST, LearnedCost
from ldn_perception.stereo.matching_costs import CensusCost, CostShares, vector_costs

SHARES = [CostShares(), CostShares(128, 2), CostShares(32, 2), CostShares(32, 0), CostShares(1, 4)]
RANGES = [(0, 1), (0, 7), (3, 5), (-4, 9), (-30, 60), (20, 4), (-25, 4), (0, 100)]
DEVICES = [
    torch.device('cpu'),
    pytest.param(torch.device('cuda'), marks=pytest.mark.skipif(
        not torch.cuda.is_available(), reason='torch sees no GPU')),
]


def whole_vectors(height, width, seed, length=16):
    generator = torch.Generator().manual_seed(seed)
    vectors = F.normalize(torch.randn(height, width, length, generator=generator), dim=-1)
    return (SCALE * vectors).round().clamp(-127, 127).to(torch.int8).numpy()


def random_codes(height, width, seed):
    return np.random.default_rng(seed).integers(0, 2**54, (height, width), np.uint64)


def obvious_costs(vectors, codes, shares, min_disparity, num_disparities, outside):
    left, right = (each.astype(int) for each in vectors)
    height, width, _ = left.shape
    costs = np.full((height, width, num_disparities), outside)
    for y, x, d in np.ndindex(costs.shape):
        column = x - min_disparity - d
        if 0 <= column < width:
            cosine = float(left[y, x] @ right[y, column]) / SCALE**2
            rounded = np.floor(shares.vector * (1 - cosine) + 0.5)
            of_vectors = np.clip(rounded, 0, shares.vector - 1)
            differing = int(codes[0][y, x]) ^ int(codes[1][y, column])
            costs[y, x, d] = of_vectors + shares.bit * bin(differing).count('1')
    return costs


@pytest.mark.parametrize('shares', SHARES, ids=str)
@pytest.mark.parametrize(('min_disparity', 'num_disparities'), RANGES)
def test_compiled_costs_are_those_of_a_loop(shares, min_disparity, num_disparities):
    vectors = [whole_vectors(3, 67, seed, 19) for seed in (1, 2)]
    vectors[1][:, :9] = vectors[0][:, 2:11]
    vectors[1][:, 20:29] = -vectors[0][:, 20:29]
    codes = [random_codes(3, 67, seed) for seed in (3, 4)]
    codes[1][:, :9] = codes[0][:, 2:11]
    codes[1][:, 20:29] = ~codes[0][:, 20:29] & np.uint64(2**54 - 1)
    expected = obvious_costs(vectors, codes, shares, min_disparity, num_disparities, 44)
    for num_threads in (1, 3):
        costs = np.empty(expected.shape, np.uint8)
        vector_costs(*vectors, *codes, shares, min_disparity, 44, costs, RowWorkers(num_threads))
        np.testing.assert_array_equal(costs, expected)


def test_vectors_longer_than_their_length_do_not_overflow():
    longest = np.full((1, 1, 512), 6, np.int8)  # 128 / sqrt(512) is 5.66
    for sign, expected in ((1, 0), (-1, 127)):
        costs = np.empty((1, 1, 1), np.uint8)
        code = np.zeros((1, 1), np.uint64)
        vector_costs(longest, sign * longest, code, code, CostShares(), 0, 0, costs, RowWorkers())
        assert costs.item() == expected


def a_pair(height=13, width=90):
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)


def a_cost(shares, device=None, num_threads=1):
    torch.manual_seed(0)
    return LearnedCost(PatchEmbedding(8, 3), torch.float32, device, shares, num_threads)


@pytest.mark.parametrize('shares', SHARES, ids=str)
@pytest.mark.parametrize(('min_disparity', 'num_disparities'), [(2, 5), (-30, 60), (0, 80)])
def test_images_become_costs_of_embeddings_and_codes(shares, min_disparity, num_disparities):
    left, right = a_pair()
    cost = a_cost(shares)
    network = PatchEmbedding(8, 3).eval()
    network.load_state_dict(cost._network.state_dict())
    vectors = [network.embed(torch.from_numpy(image)).numpy() for image in (left, right)]
    codes = [CensusCost().codes(image) for image in (left, right)]
    outside = OUTSIDE_COST * shares.vector // 128 + 20 * shares.bit
    expected = obvious_costs(vectors, codes, shares, min_disparity, num_disparities, outside)
    np.testing.assert_array_equal(
        cost.compute(left, right, min_disparity, num_disparities), expected)
    assert cost.outside_cost == outside


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('shares', SHARES, ids=str)
@pytest.mark.parametrize(('min_disparity', 'num_disparities'), RANGES[:-1])
def test_torch_gives_the_same_costs_as_compiled_loops(
    device, shares, min_disparity, num_disparities,
):
    left, right = a_pair(9, 67)
    expected = a_cost(shares).compute(left, right, min_disparity, num_disparities)
    found = a_cost(shares, device).compute_on_device(
        torch.from_numpy(left).to(device), torch.from_numpy(right).to(device),
        min_disparity, num_disparities)
    assert found.device.type == device.type
    differs = found.cpu().numpy() != expected
    # another device may round an element of a vector the other way
    assert differs.mean() <= (0 if device.type == 'cpu' else 0.02)


def test_views_of_images_are_taken():
    cost = a_cost(CostShares(32, 2))
    left, right = a_pair()
    seen = cost.compute(left[..., ::-1], right[..., ::-1], 0, 4).copy()
    np.testing.assert_array_equal(
        seen, cost.compute(left[..., ::-1].copy(), right[..., ::-1].copy(), 0, 4))


@pytest.mark.parametrize(('shares', 'message'), [
    ((100, 0), r'cost share vector must be a power of two in \[1, 128\], got 100: take one in'),
    ((256, 0), r'cost share vector must be a power of two in \[1, 128\], got 256: take one in'),
    ((128, 3), r'cost share bit must be in \[0, 2\], got 3: take one in the range'),
    ((32, -1), r'cost share bit must be in \[0, 4\], got -1: take one in the range'),
])
def test_shares_that_do_not_fit_are_refused(shares, message):
    with pytest.raises(StereoError, match=message):
        CostShares(*shares)
