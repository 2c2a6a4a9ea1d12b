# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The networks Single3+5 and Single5: the image is seen at its own size only."""

from __future__ import annotations

from torch import Tensor

from ldn_perception.models.back_end import BackEnd
from ldn_perception.models.image_pyramid import crop_to_image, pad_to_multiple
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.models.vgg import VggFeatures


class SingleScaleNetwork(SegmentationModel):
    """The scale-invariant network without pyramid and multiplexer.

    Args:
        extractor: With pool3 it makes Single3+5, without it Single5.
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
        """Logits at 1/8 of the resolution; see `SegmentationModel.forward`."""
        padded = pad_to_multiple(image, self.extractor.size_multiple)
        (features,) = self.extractor([padded])
        logits = self.back_end(features)
        return SegmentationOutput(crop_to_image(logits, image, self.stride), ())
