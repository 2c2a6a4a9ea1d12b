# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The scale-invariant network of Figure 3.1: an image pyramid, routed by depth."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ldn_perception.models.back_end import BackEnd
from ldn_perception.models.image_pyramid import crop_to_image, image_pyramid, pad_to_multiple
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.segmentation_model import (
    SegmentationModel,
    SegmentationOutput,
    check_pixels_per_metre,
)
from ldn_perception.models.vgg import VggFeatures


class ScaleInvariantNetwork(SegmentationModel):
    """One feature extractor over an image pyramid; depth decides which level a cell is seen on.

    The border of the image is repeated up to a size that the extractor can divide; what lies
    beyond the image is cut off the logits. Where no depth is known in a cell, it is seen at
    level 0 for every reference width.

    Args:
        extractor: Single-scale features, shared by all levels.
        multiplexer: Selects the levels.
        back_end: Classifies what was selected.

    Source: thesis section 3.2 and Figure 3.1; Krešo et al., Convolutional Scale Invariance for
    Semantic Segmentation, GCPR 2016. There the batch norms see one level at a time,
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
        """Logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        scale = check_pixels_per_metre(
            pixels_per_metre, (image.shape[0], *image.shape[-2:]))
        multiple = self.extractor.size_multiple
        padded_scale = pad_to_multiple(scale[:, None], multiple)[:, 0]
        levels = self.extract_levels(pad_to_multiple(image, multiple), padded_scale)
        logits = self.back_end(self.multiplexer(levels, padded_scale))
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())

    def extract_levels(self, image: Tensor, pixels_per_metre: Tensor) -> list[Tensor]:
        """Features of all levels of the pyramid, at least where they will be selected.

        Args:
            image: (N, 3, H, W) float, normalised; H and W are multiples of 16.
            pixels_per_metre: (N, H, W) float32 [px/m], NaN where unknown.

        Returns:
            (N, C, h_l, w_l) for every level, finest first.
        """
        return self.extractor(self.build_pyramid(image, range(self.multiplexer.num_levels)))

    def build_pyramid(self, image: Tensor, levels: Sequence[int]) -> list[Tensor]:
        """Some levels of the pyramid over an image.

        Args:
            image: (N, 3, H, W) float; H and W are multiples of 16.
            levels: Their numbers.

        Returns:
            (N, 3, H_l, W_l) for each of them.
        """
        return image_pyramid(
            image, levels=levels, factor=self.multiplexer.pyramid_factor,
            multiple=self.extractor.size_multiple,
        )
