# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import pytest
import torch

from ldn_perception.decoding.cell_labels import cell_axis

SIZES = [(93, 370), (307, 1226), (5, 40), (1, 7), (6, 6), (9, 4), (3, 1000)]


@pytest.mark.parametrize(('num_samples', 'num_pixels'), SIZES)
def test_interpolating_along_the_axis_is_what_torch_does(num_samples, num_pixels):
    samples = np.random.default_rng(0).normal(size=num_samples).astype(np.float32)
    axis = cell_axis(num_samples, num_pixels)
    ours = (1 - axis.weight) * samples[axis.first] + axis.weight * samples[axis.second]
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(samples)[None, None], num_pixels, mode='linear', align_corners=False)
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=2e-4)
    assert (axis.weight >= 0).all()
    assert (axis.weight < 1).all()


@pytest.mark.parametrize(('num_samples', 'num_pixels'), SIZES)
def test_every_pixel_is_in_the_cell_that_starts_before_it(num_samples, num_pixels):
    axis = cell_axis(num_samples, num_pixels)
    cells = np.concatenate([
        np.full(last - first, cell)
        for cell, (first, last) in enumerate(pairwise(axis.starts))
    ])
    np.testing.assert_array_equal(cells, axis.first)
