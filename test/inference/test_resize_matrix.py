# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn
import torch.nn.functional as F

from ldn_perception.inference.openvino_backend import resize_by_matrices, resize_matrix
from ldn_perception.models.scale_multiplexer import image_pyramid


@pytest.mark.parametrize(('size', 'resized'), [
    ((48, 64), (32, 48)), ((384, 1248), (64, 192)), ((37, 41), (16, 16)), ((9, 7), (9, 1)),
    ((16, 24), (40, 25)),
])
def test_matrices_resize_as_torch_does(size, resized):
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(
        image, resized, mode='bilinear', align_corners=False, antialias=True)
    rows, columns = (
        resize_matrix(*sides) for sides in zip(size, resized, strict=True))
    torch.testing.assert_close(rows @ image @ columns.T, expected, rtol=1e-5, atol=1e-5)


def test_even_colour_stays_what_it_is():
    assert torch.allclose(resize_matrix(1248, 960) @ torch.ones(1248), torch.ones(960))


class Pyramid(nn.Module):
    def forward(self, image):
        return tuple(image_pyramid(2 * image, levels=(0, 2, 5), factor=1.3, multiple=16))


def test_exported_pyramid_multiplies_instead_and_gives_the_same():
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    program = torch.export.export(Pyramid(), (image,))
    by_matrices = resize_by_matrices(program)
    resizes = [sum('upsample' in str(node.target) for node in each.graph.nodes)
               for each in (program, by_matrices)]
    assert resizes == [2, 0]
    for level, expected in zip(by_matrices.module()(image), Pyramid()(image), strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-5, atol=1e-5)
