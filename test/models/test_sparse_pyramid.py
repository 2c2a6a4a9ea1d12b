# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from functools import cache
import math

import pytest
import torch

from ldn_perception.models.registry import build_model, initialise
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer, image_pyramid
from ldn_perception.models.scale_networks import (
    BackEnd,
    ScaleInvariantNetwork,
    SparsePyramidNetwork,
    Window,
    share_of_pixels,
)
from ldn_perception.models.vgg import VggFeatures

WIDTH_M, RECEPTIVE_FIELD_PX = 1.0, 185.0
FAR, NEAR = 1.0, 1e6
"""Apparent sizes that are seen on the first and on the last level [px/m]."""


@cache
def build_networks(reference_widths_m=(WIDTH_M,), largest_share=1.0):
    """The dense network and its sparse form, of a few maps and normalised by noise."""
    extractor = VggFeatures((2, 3, 4, 5, 6), normalised_groups=range(1, 6))
    back_end = BackEnd(
        10 * len(reference_widths_m), 3, hidden_channels=(5, 5), kernel_size=3)
    dense = ScaleInvariantNetwork(
        extractor, ScaleMultiplexer(reference_widths_m=reference_widths_m), back_end)
    initialise(dense, 0)
    with torch.no_grad():
        for _ in range(5):
            dense(noise(1, 160, 224), torch.full((1, 160, 224), 60.0))
    return dense.eval(), SparsePyramidNetwork(dense, largest_share).eval()


def noise(batch, height, width):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def size_at(level):
    """Apparent size at which the reference width is seen on a level [px/m]."""
    return 1.3**level * RECEPTIVE_FIELD_PX / WIDTH_M


def everywhere(value):
    return lambda height, width: torch.full((1, height, width), value)


def patch(level, top, left, side):
    """A square seen on one level in front of all that is unknown."""
    def build(height, width):
        scale = torch.full((1, height, width), math.nan)
        scale[:, top:top + side, left:left + side] = size_at(level)
        return scale
    return build


def checkerboard(height, width):
    rows, columns = torch.arange(height)[:, None] // 8, torch.arange(width) // 8
    return torch.where((rows + columns) % 2 == 0, size_at(2), size_at(5))[None]


def random_cells(height, width):
    random = torch.Generator().manual_seed(2)
    scale = 400 * torch.rand(1, height, width, generator=random)
    scale[torch.rand(scale.shape, generator=random) < 0.1] = math.nan
    return scale


def road(height, width):
    """The nearer the lower, up to a horizon: each level is seen in a strip."""
    rows = torch.arange(height) - height // 3
    return (2.0 * rows)[None, :, None].expand(1, height, width).contiguous()


SCENES = {
    'nothing known': everywhere(math.nan),
    'far': everywhere(FAR),
    'near': everywhere(NEAR),
    **{f'all on level {level}': everywhere(size_at(level)) for level in range(1, 7)},
    'checkerboard': checkerboard,
    'random cells': random_cells,
    'road': road,
    'patch at a corner': patch(3, 0, 0, 16),
    'patch inside': patch(1, 168, 240, 8),
    'patch at the far corner': patch(1, 352, 488, 16),
}


@pytest.mark.parametrize('scene', SCENES.values(), ids=SCENES)
@pytest.mark.parametrize('size', [(368, 512), (361, 499)])
def test_logits_are_those_of_the_dense_pyramid(scene, size):
    dense, sparse = build_networks()
    image, scale = noise(1, *size), scene(*size)
    with torch.inference_mode():
        expected, logits = dense(image, scale).logits, sparse(image, scale).logits
    assert expected.std() > 0.05
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_three_reference_widths_and_a_batch_share_the_windows():
    dense, sparse = build_networks(reference_widths_m=(1.0, 4.0, 7.0))
    scale = torch.cat([patch(4, 40, 60, 32)(368, 512), patch(2, 300, 400, 48)(368, 512)])
    image = noise(2, 368, 512)
    with torch.inference_mode():
        torch.testing.assert_close(
            sparse(image, scale).logits, dense(image, scale).logits, rtol=1e-4, atol=1e-4)


def test_half_precision_is_that_of_the_dense_pyramid():
    dense, sparse = build_networks()
    image, scale = noise(1, 368, 512), patch(2, 200, 200, 40)(368, 512)
    with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
        expected, logits = dense(image, scale).logits, sparse(image, scale).logits
        levels = sparse.extract_levels(image, scale)
    assert {level.dtype for level in levels} == {torch.bfloat16}
    assert (logits - expected).abs().mean() < 0.01 * expected.abs().mean()


def seen_by_extractor(sparse, image, scale):
    """Sizes of what goes through the extractor."""
    sizes = []
    hook = sparse.extractor.register_forward_pre_hook(
        lambda _, inputs: sizes.extend(tuple(level.shape[-2:]) for level in inputs[0]))
    with torch.inference_mode():
        sparse(image, scale)
    hook.remove()
    return sizes


@pytest.mark.parametrize(('scene', 'expected'), [
    (everywhere(math.nan), [(368, 512)]),
    (everywhere(NEAR), [(64, 80)]),
    # 8 px at (160, 240) of level 1, 288 x 400 px, are cell (16, 23) and thus block (8, 11):
    # 6 blocks more to each side are rows 2 to 14 and columns 5 to 17.
    (patch(1, 160, 240, 8), [(368, 512), (13 * 16, 13 * 16)]),
])
def test_only_what_is_selected_goes_through_the_extractor(scene, expected):
    _, sparse = build_networks()
    assert seen_by_extractor(sparse, noise(1, 368, 512), scene(368, 512)) == expected


def test_above_the_largest_share_the_whole_pyramid_is_computed():
    dense, sparse = build_networks(largest_share=0.6)
    image = noise(1, 368, 512)
    sizes = [level.shape[-2:] for level in image_pyramid(
        image, levels=range(8), factor=1.3, multiple=16)]
    one = everywhere(FAR)(368, 512)
    two = torch.where(checkerboard(368, 512) == size_at(2), FAR, size_at(1))
    shares = [share_of_pixels(sparse.selected_windows(scale), sizes) for scale in (one, two)]
    assert shares[0] < 0.6 < shares[1] < 0.7
    assert seen_by_extractor(sparse, image, one) == [(368, 512)]
    assert seen_by_extractor(sparse, image, two) == [tuple(size) for size in sizes]
    with torch.inference_mode():
        assert torch.equal(sparse(image, two).logits, dense(image, two).logits)


def test_windows_hold_all_that_selected_cells_look_at_and_no_block_more():
    _, sparse = build_networks()
    random = torch.Generator().manual_seed(3)
    scale = torch.full((1, 464, 608), math.nan)
    for _ in range(12):
        row, column, level = (
            int(torch.randint(end, (1,), generator=random)) for end in (400, 560, 8))
        scale[0, row:row + 20, column:column + 20] = size_at(level)
    levels = image_pyramid(
        torch.zeros(1, 1, 464, 608), levels=range(8), factor=1.3, multiple=16)
    routing = sparse.multiplexer.route_cells(scale)[0, 0]
    windows = sparse.selected_windows(scale)
    assert len({window.area for window in windows}) > 4
    for number, (level, window) in enumerate(zip(levels, windows, strict=True)):
        height, width = level.shape[-2:]
        seen = torch.zeros(height, width, dtype=torch.bool)
        for row, column in (routing == number).nonzero().tolist():
            top, left = (
                int((cell + 0.5) * side / cells) // 2 * 16
                for cell, cells, side in ((row, 58, height // 8), (column, 76, width // 8)))
            seen[max(0, top - 90):top + 106, max(0, left - 90):left + 106] = True
        assert int(window.of(seen).sum()) == int(seen.sum())
        rows, columns = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
        if not len(rows):
            assert window == Window(0, 0, 0, 0)
            continue
        assert window == Window(
            int(rows[0]) // 16 * 16, int(columns[0]) // 16 * 16,
            -(-(int(rows[-1]) + 1) // 16) * 16, -(-(int(columns[-1]) + 1) // 16) * 16)


def test_parts_and_names_of_the_weights_are_those_of_the_dense_network():
    dense = build_model('scale_invariant_small', 5)
    sparse = SparsePyramidNetwork(dense)
    assert list(sparse.state_dict()) == list(dense.state_dict())
    assert all(mine is its for mine, its in zip(
        sparse.parameters(), dense.parameters(), strict=True))
    assert sparse.uses_disparity
    assert (sparse.num_classes, sparse.stride) == (5, 8)
