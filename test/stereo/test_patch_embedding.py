# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Embeddings of patches: what they depend on, and that a whole image is embedded at once."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ldn_perception.stereo.embeddings import SCALE, PatchEmbedding, standardise


def embedding(**sizes):
    torch.manual_seed(0)
    return PatchEmbedding(**{'num_maps': 16, **sizes}).eval()


def picture(height, width, seed=0):
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize(('num_layers', 'side'), [(5, 11), (2, 5)])
def test_a_vector_depends_on_its_patch_and_on_all_of_it(num_layers, side):
    image = torch.rand(1, 1, 25, 29, requires_grad=True)
    vectors = embedding(num_layers=num_layers)(image)
    assert vectors.shape == (1, 16, 26 - side, 30 - side)
    weights = torch.randn(16, generator=torch.Generator().manual_seed(1))
    (vectors[0, :, 3, 6] * weights).sum().backward()
    expected = torch.zeros(25, 29, dtype=torch.bool)
    expected[3:3 + side, 6:6 + side] = True
    assert torch.equal(image.grad[0, 0] != 0, expected)


def test_vectors_have_unit_length():
    vectors = embedding()(standardise(picture(20, 30))[None, None])
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(1, 10, 20))


def test_whole_image_is_embedded_like_patch_after_patch():
    image, network = picture(9, 14), embedding()
    vectors = network.embed(image)
    assert vectors.shape == (9, 14, 16)
    assert vectors.dtype == torch.int8
    assert vectors.is_contiguous()
    padded = F.pad(standardise(image)[None, None], (5, 5, 5, 5), mode='replicate')
    for y, x in np.ndindex(9, 14):
        alone = network(padded[..., y:y + 11, x:x + 11])
        torch.testing.assert_close(
            vectors[y, x].float(), SCALE * alone[0, :, 0, 0], rtol=0, atol=0.501)


def test_what_int8_cannot_hold_is_brought_into_it():
    network = embedding(num_maps=2, num_layers=1)
    for weight, expected in ((1, 127), (-1, -127)):
        network.layers[0].weight.data.zero_()
        network.layers[0].bias.data = torch.tensor([weight, 0.0])
        assert (network.embed(picture(4, 5))[..., 0] == expected).all()


def test_exposure_changes_nothing():
    image = picture(20, 30) // 2
    torch.testing.assert_close(
        standardise(image * 2), standardise(image), rtol=1e-4, atol=1e-4)


def test_standardised_grey_levels_have_mean_0_and_deviation_1():
    grey = standardise(picture(20, 30))
    assert float(grey.mean()) == pytest.approx(0, abs=1e-5)
    assert float(grey.std(correction=0)) == pytest.approx(1, abs=1e-4)


def test_one_colour_gives_finite_vectors():
    blank = torch.full((12, 13, 3), 200, dtype=torch.uint8)
    assert (standardise(blank).abs() < 1e-3).all()
    assert embedding()(standardise(blank)[None, None]).isfinite().all()


def test_bfloat16_points_the_same_way():
    image = picture(40, 50)
    with torch.no_grad():
        exact = embedding().embed(image).float()
        coarse = embedding().to(torch.bfloat16).embed(image).float()
    assert (F.cosine_similarity(exact, coarse, dim=-1) > 0.999).all()
    torch.testing.assert_close(
        coarse.norm(dim=-1), torch.full((40, 50), float(SCALE)), rtol=0, atol=3)
