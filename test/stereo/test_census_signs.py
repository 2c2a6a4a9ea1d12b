# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import torch

from ldn_perception.stereo.embeddings import NUM_SIGNS, census_signs, grey_levels
from ldn_perception.stereo.matching_costs import CensusCost


def an_image(height=9, width=23):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_signs_are_the_bits_of_census_codes():
    image = an_image()
    signs = census_signs(grey_levels(torch.from_numpy(image)).float()[None, None])[0]
    assert signs.shape == (NUM_SIGNS, 9, 23)
    codes = CensusCost().codes(image)
    bits = np.array([(codes >> np.uint64(NUM_SIGNS - 1 - bit)) & np.uint64(1)
                     for bit in range(NUM_SIGNS)])
    np.testing.assert_array_equal(signs.numpy(), 2.0 * bits - 1)


def test_images_of_a_batch_do_not_mix():
    levels = [grey_levels(torch.from_numpy(an_image()[:, ::step].copy())).double()
              for step in (1, -1)]
    both = census_signs(torch.stack(levels)[:, None])
    assert both.dtype == torch.float64
    for number, level in enumerate(levels):
        assert torch.equal(both[number], census_signs(level[None, None])[0])
