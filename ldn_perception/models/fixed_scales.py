# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The network FixedScales: every cell is seen on the same levels of the pyramid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ldn_perception.models.back_end import BackEnd
from ldn_perception.models.image_pyramid import crop_to_image, image_pyramid, pad_to_multiple
from ldn_perception.models.scale_multiplexer import gather_levels
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.models.vgg import VggFeatures


class FixedScalesNetwork(SegmentationModel):
    """The scale-invariant network with switches that never move; depth is not needed.

    Args:
        extractor: Single-scale features, shared by all levels.
        back_end: Classifies what the levels see, one after another in its channels.
        levels: Numbers of the pyramid levels, beginning with 0.
        pyramid_factor: Ratio alpha > 1 between the sizes of neighbouring levels.

    Source: thesis section 3.4; enlarged to the nearest neighbour as in section 3.2.2.
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
        """Logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        padded = pad_to_multiple(image, self.extractor.size_multiple)
        pyramid = image_pyramid(
            padded, levels=self.levels, factor=self.pyramid_factor,
            multiple=self.extractor.size_multiple,
        )
        logits = self.back_end(_concatenate(self.extractor(pyramid)))
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())


def _concatenate(levels: list[Tensor]) -> Tensor:
    """(N, L * C, h_0, w_0) from (N, C, h_l, w_l), each enlarged to its nearest neighbours."""
    batch, _, height, width = levels[0].shape
    numbers = torch.arange(len(levels), device=levels[0].device)
    return gather_levels(levels, numbers.view(1, -1, 1, 1).expand(batch, -1, height, width))
