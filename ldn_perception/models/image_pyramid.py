# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""An image at several sizes, each of which a feature extractor can divide."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
import torch.nn.functional as F


def image_pyramid(
    image: Tensor, *, levels: Sequence[int], factor: float, multiple: int
) -> list[Tensor]:
    """Shrink an image to the levels of a pyramid.

    Every level is resized from the image itself, low-passed against aliasing; its sides are
    rounded to the nearest multiple and never vanish.

    Args:
        image: (N, C, H, W) float; H and W are multiples of `multiple`.
        levels: Numbers of the levels; level 0 is the image itself.
        factor: Ratio alpha > 1 between the sizes of neighbouring levels.
        multiple: What the sides of every level are multiples of [px].

    Returns:
        (N, C, H_l, W_l) float for every level, H_l near H / factor^l.

    Source: thesis section 3.2.1, which shrinks each level from the one before it. At the
    1504x672 of section 3.4 the widths are those of the released code, 1504, 1152, 896, 688, 528,
    400, 304 and 240 px.
    """
    sizes = level_sizes(*image.shape[-2:], levels=levels, factor=factor, multiple=multiple)
    return [
        _shrink(image, size) if level else image
        for level, size in zip(levels, sizes, strict=True)
    ]


def level_sizes(
    height: int, width: int, *, levels: Sequence[int], factor: float, multiple: int
) -> list[tuple[int, int]]:
    """Height and width of the levels of a pyramid [px]; see `image_pyramid`."""

    def shrunken(side: int, level: int) -> int:
        return max(multiple, round(side / factor**level / multiple) * multiple)

    return [(shrunken(height, level), shrunken(width, level)) for level in levels]


def pad_to_multiple(maps: Tensor, multiple: int) -> Tensor:
    """Repeat the right and lower border until both sides are multiples.

    Args:
        maps: (N, C, H, W) float.
        multiple: What the sides will be multiples of [px].
    """
    height, width = maps.shape[-2:]
    return F.pad(maps, (0, -width % multiple, 0, -height % multiple), mode='replicate')


def crop_to_image(cells: Tensor, image: Tensor, cell_px: int) -> Tensor:
    """Cut off the cells that lie wholly beyond an image.

    Args:
        cells: (N, C, h, w), of the padded image.
        image: (N, 3, H, W), before it was padded.
        cell_px: Image pixels per cell [px].

    Returns:
        (N, C, ceil(H / cell_px), ceil(W / cell_px)).
    """
    height, width = (-(-side // cell_px) for side in image.shape[-2:])
    return cells[..., :height, :width]


def _shrink(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size, mode='bilinear', align_corners=False, antialias=True)
