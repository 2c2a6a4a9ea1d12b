# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cosine costs against loops over pixels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ldn_perception.stereo.learned_cost import OUTSIDE_COST, SCALE, LearnedCost, cosine_costs
from ldn_perception.stereo.patch_embedding import PatchEmbedding


def unit_vectors(height, width, seed, length=16):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(height, width, length, generator=generator), dim=-1)


def obvious_costs(left, right, min_disparity, num_disparities):
    height, width, _ = left.shape
    costs = np.full((height, width, num_disparities), OUTSIDE_COST)
    for y, x, d in np.ndindex(costs.shape):
        column = x - min_disparity - d
        if 0 <= column < width:
            cosine = float(left[y, x].double() @ right[y, column].double())
            costs[y, x, d] = np.clip(np.rint(SCALE * (1 - cosine)), 0, SCALE - 1)
    return costs


RANGES = [(0, 1), (0, 7), (3, 5), (-4, 9), (-30, 60), (20, 4), (-25, 4), (0, 100)]


@pytest.mark.parametrize(('min_disparity', 'num_disparities'), RANGES)
@pytest.mark.parametrize('width', [17, 64, 131])
def test_costs_are_those_of_a_loop(min_disparity, num_disparities, width):
    left, right = unit_vectors(3, width, 1), unit_vectors(3, width, 2)
    right[:, :9] = left[:, 2:11]
    costs = cosine_costs(left, right, min_disparity, num_disparities)
    assert costs.dtype == torch.uint8
    np.testing.assert_array_equal(
        costs.numpy(), obvious_costs(left, right, min_disparity, num_disparities))


@pytest.mark.parametrize(('min_disparity', 'num_disparities'), RANGES)
def test_bfloat16_rounds_once(min_disparity, num_disparities):
    left, right = (unit_vectors(6, 75, seed).bfloat16() for seed in (1, 2))
    right[:, :9] = left[:, 2:11]
    costs = cosine_costs(left, right, min_disparity, num_disparities).numpy().astype(int)
    expected = obvious_costs(left, right, min_disparity, num_disparities)
    assert np.abs(costs - expected).max() <= 1
    assert (costs == expected).mean() > 0.99


def test_costs_cover_their_range():
    left = unit_vectors(1, 70, 3)
    for right, expected in ((left, 0), (-left, SCALE - 1)):
        for dtype, tolerance in ((torch.float32, 0), (torch.bfloat16, 1)):
            costs = cosine_costs(left.to(dtype), right.to(dtype), 0, 1).int()
            assert (costs - expected).abs().max() <= tolerance


def test_rows_do_not_mix():
    left, right = unit_vectors(11, 40, 1), unit_vectors(11, 40, 2)
    whole = cosine_costs(left, right, 0, 12)
    for y in range(11):
        assert torch.equal(cosine_costs(left[y:y + 1], right[y:y + 1], 0, 12)[0], whole[y])


def test_images_become_costs_of_their_embeddings():
    torch.manual_seed(0)
    network = PatchEmbedding(8, 3)
    left, right = np.random.default_rng(0).integers(0, 256, (2, 12, 40, 3), np.uint8)
    cost = LearnedCost(network)
    costs = cost.compute(left, right, 2, 5)
    vectors = [network.embed(torch.from_numpy(image)) for image in (left, right)]
    np.testing.assert_array_equal(costs, obvious_costs(*vectors, 2, 5))
    on_device = cost.compute_on_device(torch.from_numpy(left), torch.from_numpy(right), 2, 5)
    np.testing.assert_array_equal(costs, on_device.numpy())


def test_views_of_images_are_taken():
    cost = LearnedCost(PatchEmbedding(8, 3))
    left, right = np.random.default_rng(0).integers(0, 256, (2, 12, 40, 3), np.uint8)
    np.testing.assert_array_equal(
        cost.compute(left[..., ::-1], right[..., ::-1], 0, 4),
        cost.compute(left[..., ::-1].copy(), right[..., ::-1].copy(), 0, 4))
