# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from ldn_perception.models.scale_multiplexer import crop_to_image, image_pyramid, pad_to_multiple


def sizes(height, width, levels=range(8)):
    image = torch.zeros(1, 1, height, width)
    pyramid = image_pyramid(image, levels=levels, factor=1.3, multiple=16)
    return [tuple(level.shape[-2:]) for level in pyramid]


def test_widths_are_those_the_authors_trained_with():
    # The widths that the released code lists for its Cityscapes pyramid of 1504 x 672.
    assert [width for _, width in sizes(672, 1504)] == [1504, 1152, 896, 688, 528, 400, 304, 240]
    assert sizes(672, 1504, (0, 3, 7)) == [(672, 1504), (304, 688), (112, 240)]


def test_levels_are_multiples_of_16_and_never_vanish():
    expected = [
        tuple(max(16, 16 * round(side / 1.3**level / 16)) for side in (48, 384))
        for level in range(8)
    ]
    assert sizes(48, 384) == expected
    assert expected[-1] == (16, 64)


def test_shrinking_leaves_no_aliases():
    stripes = torch.zeros(1, 1, 64, 64)
    stripes[..., ::2] = 1
    coarse = image_pyramid(stripes, levels=(0, 1), factor=4.0, multiple=16)[1]
    assert torch.allclose(coarse, torch.full((1, 1, 16, 16), 0.5), atol=0.05)


@pytest.mark.parametrize('size', [(1, 1), (16, 32), (17, 31), (41, 50)])
def test_padding_repeats_the_border_and_cropping_takes_the_cells_beyond_away(size):
    height, width = size
    image = torch.rand(1, 2, height, width)
    padded = pad_to_multiple(image, 16)
    full_height, full_width = (-(-side // 16) * 16 for side in size)
    rows = torch.arange(full_height).clamp(max=height - 1)
    columns = torch.arange(full_width).clamp(max=width - 1)
    assert torch.equal(padded, image[:, :, rows][..., columns])
    cells = torch.rand(1, 3, full_height // 8, full_width // 8)
    cropped = crop_to_image(cells, image, 8)
    assert cropped.shape[-2:] == ((height + 7) // 8, (width + 7) // 8)
    assert torch.equal(cropped, cells[..., :cropped.shape[2], :cropped.shape[3]])
