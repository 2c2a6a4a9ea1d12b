# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scale-invariant networks of thesis chapter 3: presets, modules and sparse inference.

Source: thesis sections 3.2 and 3.4, Table 3.1. Where the authors' released code differs in
structure, there is an additional preset: its Single3+5 has a 3x3 instead of a 7x7 convolution in
the back end, and its routing uses a receptive field of 186 px. Its routing also uses the true
ratios of the rounded level widths instead of powers of alpha. That is not offered: on three pairs
of KITTI it changes 0.2 to 0.3 % of the switches.

`SparsePyramidNetwork` computes one window per level. A cell has a reach of 90 px, so scattered
selected cells need nearly a whole level; only unselected levels and margins can be skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ldn_perception.models.scale_multiplexer import (
    ScaleMultiplexer,
    crop_to_image,
    gather_levels,
    image_pyramid,
    level_sizes,
    pad_to_multiple,
    under_centre,
)
from ldn_perception.models.segmentation_model import (
    SegmentationModel,
    SegmentationOutput,
    check_pixels_per_metre,
)
from ldn_perception.models.vgg import VggFeatures


@dataclass(frozen=True)
class ScaleFamilySize:
    """Widths shared by all networks of the family, to make them comparable.

    Attributes:
        group_channels: See `VggFeatures`.
        normalised_groups: See `VggFeatures`.
        hidden_channels: See `BackEnd`.
        kernel_size: See `BackEnd`.
    """

    group_channels: tuple[int, ...]
    normalised_groups: tuple[int, ...]
    hidden_channels: tuple[int, int]
    kernel_size: int

    def build_extractor(self, *, with_pool3: bool = True) -> VggFeatures:
        """Build the feature extractor of this size."""
        return VggFeatures(self.group_channels, self.normalised_groups, with_pool3=with_pool3)

    def build_back_end(self, in_channels: int, num_classes: int) -> BackEnd:
        """Build the classifier of this size."""
        return BackEnd(
            in_channels, num_classes, hidden_channels=self.hidden_channels,
            kernel_size=self.kernel_size,
        )


THESIS_SIZE = ScaleFamilySize((64, 128, 256, 512, 512), (5,), (1024, 1024), 7)
"""VGG-D; groups 1 to 4 have no batch norm because they start from ImageNet weights."""

SMALL_SIZE = ScaleFamilySize((8, 16, 32, 64, 64), (1, 2, 3, 4, 5), (96, 96), 3)
"""An eighth of the channels of VGG-D, trained from scratch."""

RELEASED_SINGLE_SIZE = ScaleFamilySize((64, 128, 256, 512, 512), (5,), (1024, 1024), 3)
"""The released single-scale network."""


def build_scale_invariant(
    size: ScaleFamilySize, num_classes: int, *, receptive_field_px: float = 185.0
) -> SegmentationModel:
    """Build ScaleInvariant: three reference widths over eight levels, routed by depth."""
    extractor = size.build_extractor()
    multiplexer = ScaleMultiplexer(
        receptive_field_px=receptive_field_px, cell_px=extractor.stride
    )
    in_channels = len(multiplexer.reference_widths_m) * extractor.out_channels
    return ScaleInvariantNetwork(
        extractor, multiplexer, size.build_back_end(in_channels, num_classes)
    )


def build_fixed_scales(size: ScaleFamilySize, num_classes: int) -> SegmentationModel:
    """Build FixedScales: levels 0, 3 and 7 for every cell."""
    extractor = size.build_extractor()
    levels = (0, 3, 7)
    back_end = size.build_back_end(len(levels) * extractor.out_channels, num_classes)
    return FixedScalesNetwork(extractor, back_end, levels=levels)


def build_single_scale(
    size: ScaleFamilySize, num_classes: int, *, with_pool3: bool = True
) -> SegmentationModel:
    """Build Single3+5, or Single5 without pool3."""
    extractor = size.build_extractor(with_pool3=with_pool3)
    return SingleScaleNetwork(extractor, size.build_back_end(extractor.out_channels, num_classes))


SCALE_FAMILY: dict[str, Callable[[int], SegmentationModel]] = {
    'scale_invariant': lambda classes: build_scale_invariant(THESIS_SIZE, classes),
    'scale_invariant_released': lambda classes: build_scale_invariant(
        THESIS_SIZE, classes, receptive_field_px=186.0),
    'scale_invariant_small': lambda classes: build_scale_invariant(SMALL_SIZE, classes),
    'fixed_scales': lambda classes: build_fixed_scales(THESIS_SIZE, classes),
    'fixed_scales_small': lambda classes: build_fixed_scales(SMALL_SIZE, classes),
    'single35': lambda classes: build_single_scale(THESIS_SIZE, classes),
    'single35_released': lambda classes: build_single_scale(RELEASED_SINGLE_SIZE, classes),
    'single35_small': lambda classes: build_single_scale(SMALL_SIZE, classes),
    'single5': lambda classes: build_single_scale(THESIS_SIZE, classes, with_pool3=False),
    'single5_small': lambda classes: build_single_scale(SMALL_SIZE, classes, with_pool3=False),
}
"""Name -> builder, a function of the number of classes."""


class ScaleInvariantNetwork(SegmentationModel):
    """One feature extractor over an image pyramid; depth selects the level of each cell.

    The image is padded by border replication to a size that the extractor can divide; logits
    beyond the image are cropped. Cells without known depth use level 0 for every reference width.

    Args:
        extractor: Single-scale features, shared by all levels.
        multiplexer: Selects the level of each cell and reference width.
        back_end: Classifies the selected features.

    Source: thesis section 3.2 and Figure 3.1; Krešo et al., Convolutional Scale Invariance for
    Semantic Segmentation, GCPR 2016. Batch norms process one level at a time there;
    see `PyramidNorm`.
    """

    uses_disparity = True

    def __init__(
        self, extractor: VggFeatures, multiplexer: ScaleMultiplexer, back_end: BackEnd
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.multiplexer = multiplexer
        self.back_end = back_end
        self.stride = extractor.stride
        self.num_classes = back_end.num_classes

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        scale = check_pixels_per_metre(
            pixels_per_metre, (image.shape[0], *image.shape[-2:]))
        multiple = self.extractor.size_multiple
        padded_scale = pad_to_multiple(scale[:, None], multiple)[:, 0]
        levels = self.extract_levels(pad_to_multiple(image, multiple), padded_scale)
        logits = self.back_end(self.multiplexer(levels, padded_scale))
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())

    def extract_levels(self, image: Tensor, pixels_per_metre: Tensor) -> list[Tensor]:
        """Features of all pyramid levels, valid at least where they will be selected.

        Args:
            image: (N, 3, H, W) float, normalised; H and W are multiples of 16.
            pixels_per_metre: (N, H, W) float32 [px/m], NaN where unknown.

        Returns:
            (N, C, h_l, w_l) for every level, finest first.
        """
        levels: list[Tensor] = self.extractor(
            self.build_pyramid(image, range(self.multiplexer.num_levels)))
        return levels

    def build_pyramid(self, image: Tensor, levels: Sequence[int]) -> list[Tensor]:
        """Build some levels of the pyramid over an image.

        Args:
            image: (N, 3, H, W) float; H and W are multiples of 16.
            levels: Level numbers; 0 is the image itself.

        Returns:
            (N, 3, H_l, W_l) for each level.
        """
        return image_pyramid(
            image, levels=levels, factor=self.multiplexer.pyramid_factor,
            multiple=self.extractor.size_multiple,
        )


class FixedScalesNetwork(SegmentationModel):
    """Scale-invariant network with constant levels; needs no depth.

    Args:
        extractor: Single-scale features, shared by all levels.
        back_end: Classifies the concatenated features of all levels.
        levels: Numbers of the pyramid levels, beginning with 0.
        pyramid_factor: Ratio alpha > 1 between the sizes of neighbouring levels.

    Source: thesis section 3.4; nearest-neighbour upsampling as in section 3.2.2.
    """

    uses_disparity = False

    def __init__(
        self,
        extractor: VggFeatures,
        back_end: BackEnd,
        *,
        levels: Sequence[int] = (0, 3, 7),
        pyramid_factor: float = 1.3,
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.back_end = back_end
        self.levels = tuple(levels)
        self.pyramid_factor = pyramid_factor
        self.stride = extractor.stride
        self.num_classes = back_end.num_classes

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        padded = pad_to_multiple(image, self.extractor.size_multiple)
        pyramid = image_pyramid(
            padded, levels=self.levels, factor=self.pyramid_factor,
            multiple=self.extractor.size_multiple,
        )
        logits = self.back_end(_concatenate(self.extractor(pyramid)))
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())


def _concatenate(levels: list[Tensor]) -> Tensor:
    """Upsample (N, C, h_l, w_l) levels by nearest neighbour, concatenate to (N, L*C, h_0, w_0)."""
    batch, _, height, width = levels[0].shape
    numbers = torch.arange(len(levels), device=levels[0].device)
    return gather_levels(levels, numbers.view(1, -1, 1, 1).expand(batch, -1, height, width))


class SingleScaleNetwork(SegmentationModel):
    """Scale-invariant network without pyramid and multiplexer.

    Args:
        extractor: With pool3 the network is Single3+5, without it Single5.
        back_end: Classifies the features.

    Source: thesis section 3.4.
    """

    uses_disparity = False

    def __init__(self, extractor: VggFeatures, back_end: BackEnd) -> None:
        super().__init__()
        self.extractor = extractor
        self.back_end = back_end
        self.stride = extractor.stride
        self.num_classes = back_end.num_classes

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> SegmentationOutput:
        """Compute logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        padded = pad_to_multiple(image, self.extractor.size_multiple)
        (features,) = self.extractor([padded])
        logits = self.back_end(features)
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())


class BackEnd(nn.Sequential):
    """Classifier over VGG features: one wide convolution, then two 1x1 convolutions.

    Args:
        in_channels: Input channels.
        num_classes: Number of logit channels.
        hidden_channels: Channels of the two hidden convolutions, 1024 each in the thesis.
        kernel_size: Width of the first convolution [cells], 7 in the thesis.

    Source: thesis section 3.2.4; batch norm has no learnable parameters (section 3.4). It makes
    preceding biases useless, so those of the released code are omitted.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        hidden_channels: Sequence[int] = (1024, 1024),
        kernel_size: int = 7,
    ) -> None:
        wide, deep = hidden_channels
        super().__init__(
            nn.Conv2d(in_channels, wide, kernel_size, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(wide, affine=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, deep, 1, bias=False),
            nn.BatchNorm2d(deep, affine=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(deep, num_classes, 1),
        )
        self.num_classes = num_classes


class Window(NamedTuple):
    """Rectangle of a level [px]; bottom and right are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, maps: Tensor, cell_px: int = 1) -> Tensor:
        """View of this window in (..., h, w) maps with one value per cell_px x cell_px cell."""
        top, left, bottom, right = (side // cell_px for side in self)
        return maps[..., top:bottom, left:right]


class SparsePyramidNetwork(ScaleInvariantNetwork):
    """Scale-invariant network that computes windows of its levels: same logits, lower cost.

    A window contains the selected cells and everything within their reach. Where it ends at the
    border of its level, convolutions pad with zeros exactly as on the whole level. Elsewhere the
    padding lies beyond the reach of every selected cell. For inference only: in training the
    batch norms would see other cells.

    Args:
        dense: The network; its modules are shared, not copied.
        largest_share: Share of the pyramid's pixels, and so of its multiply-adds, up to which
            windows are used; above it the whole pyramid is computed.
    """

    def __init__(self, dense: ScaleInvariantNetwork, largest_share: float = 0.95) -> None:
        super().__init__(dense.extractor, dense.multiplexer, dense.back_end)
        self.largest_share = largest_share

    def extract_levels(self, image: Tensor, pixels_per_metre: Tensor) -> list[Tensor]:
        """Features where they will be selected, zeros elsewhere; see the base class."""
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
        """Windows to compute of each level; area 0 if no cell selects the level.

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
        """First and end pixel (exclusive) to compute along one axis of a level."""
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
        maps = like.new_zeros(batch, height, width, channels)  # channels last, for fast reading
        return maps.permute(0, 3, 1, 2)


def share_of_pixels(windows: Sequence[Window], sizes: Sequence[tuple[int, int]]) -> float:
    """Share of the pyramid's pixels that windows cover, 0 to 1.

    Args:
        windows: One per level.
        sizes: Height and width of each level [px].
    """
    return sum(window.area for window in windows) / sum(
        height * width for height, width in sizes)
