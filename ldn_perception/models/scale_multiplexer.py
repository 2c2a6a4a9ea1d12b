# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The image pyramid and the scale selection multiplexer.

Source: thesis section 3.2.3, equations 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
import torch.nn.functional as F


def image_pyramid(
    image: Tensor, *, levels: Sequence[int], factor: float, multiple: int
) -> list[Tensor]:
    """Resize an image to the levels of a pyramid.

    Every level is resized from the image itself with an antialiasing filter. Its sides are
    rounded to the nearest multiple, at least one multiple.

    Args:
        image: (N, C, H, W) float; H and W are multiples of `multiple`.
        levels: Level numbers; level 0 is the image itself.
        factor: Ratio alpha > 1 between the sizes of neighbouring levels.
        multiple: Divisor of the sides of every level [px].

    Returns:
        (N, C, H_l, W_l) float per level, H_l near H / factor^l.

    Source: thesis section 3.2.1, which resizes each level from the previous one. For the
    1504x672 of section 3.4 the widths are those of the released code: 1504, 1152, 896, 688, 528,
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
    """Replicate the right and lower border until both sides are multiples of `multiple`.

    Args:
        maps: (N, C, H, W) float.
        multiple: Divisor of the padded sides [px].
    """
    height, width = maps.shape[-2:]
    return F.pad(maps, (0, -width % multiple, 0, -height % multiple), mode='replicate')


def crop_to_image(cells: Tensor, image: Tensor, cell_px: int) -> Tensor:
    """Cut off the cells that lie entirely outside an image.

    Args:
        cells: (N, C, h, w), cells of the padded image.
        image: (N, 3, H, W), the image before padding.
        cell_px: Side of a cell [px].

    Returns:
        (N, C, ceil(H / cell_px), ceil(W / cell_px)).
    """
    height, width = (-(-side // cell_px) for side in image.shape[-2:])
    return cells[..., :height, :width]


def _shrink(image: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(image, size, mode='bilinear', align_corners=False, antialias=True)


def route(
    pixels_per_metre: Tensor,
    *,
    reference_widths_m: Sequence[float],
    receptive_field_px: float,
    pyramid_factor: float,
    num_levels: int,
) -> Tensor:
    """Level of the image pyramid on which a receptive field spans each reference width.

    The scale s = W_R * pixels_per_metre / w_rf (3.1) is the ideal shrink factor at a cell. The
    level is the one whose factor alpha^l is nearest to s, the smaller one in a tie (3.2). The
    factors ascend, so the level is the number of midpoints between neighbouring factors that s
    exceeds. Far points, unknown ones (NaN), and points at or behind the camera (zero, negative)
    exceed none: they get level 0, the original image.

    Args:
        pixels_per_metre: (N, h, w) float32, apparent size of one metre [px/m].
        reference_widths_m: The M reference widths W_R [m].
        receptive_field_px: Width w_rf of the receptive field of the largest features [px].
        pyramid_factor: Ratio alpha > 1 between the sizes of neighbouring levels.
        num_levels: Number of pyramid levels.

    Returns:
        (N, M, h, w) int64 in [0, num_levels).
    """
    factors = [pyramid_factor**level for level in range(num_levels)]
    # OpenVINO 2026.4 treats NaN as greater than any number.
    sizes = torch.where(pixels_per_metre.isnan(), 0, pixels_per_metre)
    scales = torch.stack(
        [sizes * (width / receptive_field_px) for width in reference_widths_m], dim=1)
    levels = torch.zeros_like(scales, dtype=torch.int64)
    for finer, coarser in pairwise(factors):
        levels += scales > (finer + coarser) / 2
    return levels


def sample_cells(pixels_per_metre: Tensor, cell_px: int) -> Tensor:
    """Apparent size of one metre for every cell of the feature grid.

    The value of the pixel at the cell centre (the lower right of the middle four). If that is
    unknown, the mean over the known pixels of the cell.

    Args:
        pixels_per_metre: (N, H, W) float32 [px/m], NaN where unknown; H and W are multiples of
            cell_px.
        cell_px: Width and height of a cell [px].

    Returns:
        (N, H / cell_px, W / cell_px) float32 [px/m], NaN if no pixel of the cell is known.
    """
    batch, height, width = pixels_per_metre.shape
    cells = pixels_per_metre.reshape(
        batch, height // cell_px, cell_px, width // cell_px, cell_px
    )
    centre = cells[:, :, cell_px // 2, :, cell_px // 2]
    return torch.where(centre.isnan(), cells.nanmean(dim=(2, 4)), centre)


class ScaleMultiplexer(nn.Module):
    """Selects the features of the routed pyramid level for every cell and reference width.

    The thesis upsamples all levels to the resolution of the first and then selects. Here each
    cell gathers only its own vector, from the cell of the level that contains its centre. The
    result equals nearest-neighbour upsampling, without its memory.

    The default receptive field is the one in the thesis. The released code uses 186 px, and the
    arithmetic of VGG gives 196 px. Only the ratio of reference width and receptive field
    matters, so the widths of 1, 4 and 7 m are effectively 1.06, 4.24 and 7.42 m. On three pairs
    of KITTI, 186 px would change 0.4 to 1.0 % of the switches and 196 px 6 to 9 %, by one level
    each.

    Args:
        reference_widths_m: See `route`.
        receptive_field_px: See `route`.
        pyramid_factor: See `route`.
        num_levels: See `route`.
        cell_px: Image pixels per feature cell [px].
    """

    def __init__(
        self,
        *,
        reference_widths_m: Sequence[float] = (1.0, 4.0, 7.0),
        receptive_field_px: float = 185.0,
        pyramid_factor: float = 1.3,
        num_levels: int = 8,
        cell_px: int = 8,
    ) -> None:
        super().__init__()
        self.reference_widths_m = tuple(reference_widths_m)
        self.receptive_field_px = receptive_field_px
        self.pyramid_factor = pyramid_factor
        self.num_levels = num_levels
        self.cell_px = cell_px

    def forward(self, levels: Sequence[Tensor], pixels_per_metre: Tensor) -> Tensor:
        """Compute scale-invariant features at the resolution of the first level.

        Args:
            levels: (N, C, h_l, w_l) float per level, finest first.
            pixels_per_metre: (N, h_0 * cell_px, w_0 * cell_px) float32 [px/m], NaN where unknown.

        Returns:
            (N, M * C, h_0, w_0), channels last in memory; reference widths in order.
        """
        return gather_levels(levels, self.route_cells(pixels_per_metre))

    def route_cells(self, pixels_per_metre: Tensor) -> Tensor:
        """Level of every cell and reference width.

        Args:
            pixels_per_metre: (N, h * cell_px, w * cell_px) float32 [px/m], NaN where unknown.

        Returns:
            (N, M, h, w) int64 in [0, num_levels).
        """
        return route(
            sample_cells(pixels_per_metre, self.cell_px),
            reference_widths_m=self.reference_widths_m,
            receptive_field_px=self.receptive_field_px,
            pyramid_factor=self.pyramid_factor,
            num_levels=self.num_levels,
        )

    def switch_levels(self, pixels_per_metre: Tensor) -> Tensor:
        """Level of every pixel and reference width: the switches of Figure 3.2.

        All pixels of a cell share the level of the cell.

        Args:
            pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; of any size.

        Returns:
            (M, H, W) uint8 in [0, num_levels), one map per reference width.
        """
        height, width = pixels_per_metre.shape
        padded = pad_to_multiple(pixels_per_metre[None, None], self.cell_px)[:, 0]
        levels = self.route_cells(padded)[0].to(torch.uint8)[:, :, None, :, None]
        cells = levels.expand(-1, -1, self.cell_px, -1, self.cell_px)  # (M, h, cell, w, cell)
        return cells.flatten(3).flatten(1, 2)[:, :height, :width]


def gather_levels(levels: Sequence[Tensor], routing: Tensor) -> Tensor:
    """Gather the features of the routed level under the centre of every cell.

    Args:
        levels: (N, C, h_l, w_l) per level.
        routing: (N, M, h, w) int64, level of each of M channel groups and every cell.

    Returns:
        (N, M * C, h, w), channels last in memory.
    """
    batch, _, height, width = routing.shape
    vectors = torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], dim=1)
    cells = _cell_under_centre(levels, height, width)
    index = torch.take_along_dim(cells[None], routing, dim=1)  # (N, M, h, w)
    index = index + vectors.shape[1] * torch.arange(batch, device=index.device).view(-1, 1, 1, 1)
    picked = vectors.flatten(0, 1)[index.permute(0, 2, 3, 1)]  # (N, h, w, M, C)
    return picked.flatten(3).permute(0, 3, 1, 2)


def under_centre(cells: Tensor, num_cells: int, num_level_cells: int) -> Tensor:
    """Cells of a level that contain the centres of cells of the first level, along one axis.

    Args:
        cells: int64 in [0, num_cells).
        num_cells: Cells of the first level along the axis.
        num_level_cells: Cells of the other level along the same extent.

    Returns:
        int64 in [0, num_level_cells), same shape as `cells`.
    """
    return (2 * cells + 1) * num_level_cells // (2 * num_cells)


def _cell_under_centre(levels: Sequence[Tensor], height: int, width: int) -> Tensor:
    """(L, height, width) int64: index, among the cells of all levels, under each centre."""
    device = levels[0].device
    rows, columns = (torch.arange(side, device=device) for side in (height, width))
    tables, start = [], 0
    for level in levels:
        level_height, level_width = level.shape[-2:]
        row = under_centre(rows, height, level_height)
        column = under_centre(columns, width, level_width)
        tables.append(start + row[:, None] * level_width + column)
        start += level_height * level_width
    return torch.stack(tables)
