# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The scale-invariant network without the parts of its pyramid that no cell selects.

A cell looks 90 px beyond itself, so selected cells here and there keep all of a level busy. What
can be left out is whole levels and the margins of others: one window of every level is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ldn_perception.models.image_pyramid import level_sizes
from ldn_perception.models.scale_invariant import ScaleInvariantNetwork
from ldn_perception.models.scale_multiplexer import under_centre


class Window(NamedTuple):
    """Part of a level [px]; bottom and right are not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, maps: Tensor, cell_px: int = 1) -> Tensor:
        """View of (..., h, w) maps with one value for each cell of cell_px x cell_px."""
        top, left, bottom, right = (side // cell_px for side in self)
        return maps[..., top:bottom, left:right]


class SparsePyramidNetwork(ScaleInvariantNetwork):
    """A scale-invariant network that computes windows of its levels: the same logits for less.

    A window holds the selected cells and all they look at. Where it ends at the border of its
    level, convolutions pad with zeros as they do on the whole level; elsewhere what they pad is
    further away than any selected cell looks. For inference only: in training the batch norms
    would see other cells.

    Args:
        dense: The network; its parts are shared, not copied.
        largest_share: Share of the pyramid's pixels, and so of its multiply-adds, up to which
            windows are computed; above it the whole pyramid is.
    """

    def __init__(self, dense: ScaleInvariantNetwork, largest_share: float = 0.95) -> None:
        super().__init__(dense.extractor, dense.multiplexer, dense.back_end)
        self.largest_share = largest_share

    def extract_levels(self, image: Tensor, pixels_per_metre: Tensor) -> list[Tensor]:
        """Features where they will be selected, zeros elsewhere; see the dense network's."""
        sizes = self._level_sizes(image)
        windows = self.selected_windows(pixels_per_metre)
        if share_of_pixels(windows, sizes) > self.largest_share:
            return super().extract_levels(image, pixels_per_metre)
        numbers = [number for number, window in enumerate(windows) if window.area]
        parts = self.extractor([
            windows[number].of(level)
            for number, level in zip(numbers, self.build_pyramid(image, numbers), strict=True)
        ])
        features = [self._empty(size, parts[0]) for size in sizes]
        for number, part in zip(numbers, parts, strict=True):
            windows[number].of(features[number], self.stride).copy_(part)
        return features

    def selected_windows(self, pixels_per_metre: Tensor) -> list[Window]:
        """What is to be computed of every level; of area 0 where no cell selects the level.

        Args:
            pixels_per_metre: (N, H, W) float32 [px/m], NaN where unknown; H and W are multiples
                of 16.
        """
        routing = self.multiplexer.route_cells(pixels_per_metre)
        windows = []
        for number, (height, width) in enumerate(self._level_sizes(pixels_per_metre)):
            selected = (routing == number).flatten(0, 1).any(0)
            top, bottom = self._span(selected.any(1), height)
            left, right = self._span(selected.any(0), width)
            windows.append(Window(top, left, bottom, right))
        return windows

    def _span(self, selected: Tensor, side_px: int) -> tuple[int, int]:
        """Pixels of a level from the first to behind the last one to compute, along one axis."""
        cells = selected.nonzero()[:, 0]
        if not len(cells):
            return 0, 0
        multiple = self.extractor.size_multiple
        ends = under_centre(cells[[0, -1]], len(selected), side_px // self.stride)
        first, last = (ends * self.stride // multiple).tolist()
        margin = -(-self.extractor.reach_px // multiple)
        return (max(0, first - margin) * multiple,
                min(side_px, (last + 1 + margin) * multiple))

    def _level_sizes(self, maps: Tensor) -> list[tuple[int, int]]:
        return level_sizes(
            *maps.shape[-2:], levels=range(self.multiplexer.num_levels),
            factor=self.multiplexer.pyramid_factor, multiple=self.extractor.size_multiple)

    def _empty(self, size: tuple[int, int], like: Tensor) -> Tensor:
        batch, channels = like.shape[:2]
        height, width = (side // self.stride for side in size)
        maps = like.new_zeros(batch, height, width, channels)  # channels last, as they are read
        return maps.permute(0, 3, 1, 2)


def share_of_pixels(windows: Sequence[Window], sizes: Sequence[tuple[int, int]]) -> float:
    """How much of a pyramid its windows are, 0 to 1.

    Args:
        windows: One for every level.
        sizes: Height and width of every level [px].
    """
    return sum(window.area for window in windows) / sum(
        height * width for height, width in sizes)
