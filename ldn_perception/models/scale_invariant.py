# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The scale-invariant network of Figure 3.1: an image pyramid, routed by depth."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
import torch.nn.functional as F

from ldn_perception.errors import ModelError
from ldn_perception.models.scale_multiplexer import ScaleMultiplexer
from ldn_perception.models.segmentation_model import SegmentationModel, SegmentationOutput
from ldn_perception.models.vgg import VggFeatures


class BackEnd(nn.Sequential):
    """The classifier over scale-invariant features: wide context, then one cell at a time.

    Args:
        in_channels: Maps of the multiplexer.
        num_classes: Number of logit channels.
        hidden_channels: Maps of the two hidden convolutions, 1024 each in the thesis.
        kernel_size: Width of the first convolution, 7 in the thesis [cells].

    Source: thesis section 3.2.4; batch norm has no learnable parameters (section 3.4).
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


class ScaleInvariantNetwork(SegmentationModel):
    """One feature extractor over an image pyramid; depth decides which level a cell is seen on.

    Every level is resized from the image itself, low-passed against aliasing; its sides are
    rounded to what the extractor can divide. The border is repeated up to such a size before
    that, and what lies beyond the image is cut off the logits.

    Where no depth is known in a cell, it is seen at level 0 for every reference width.

    Args:
        extractor: Single-scale features, shared by all levels.
        multiplexer: Selects the levels.
        back_end: Classifies what was selected.

    Source: thesis section 3.2 and Figure 3.1; Krešo et al., Convolutional Scale Invariance for
    Semantic Segmentation, GCPR 2016. The thesis shrinks each level from the one before it, and
    its batch norms see one level at a time, see `PyramidNorm`.
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
        scale = self._check_scale(image, pixels_per_metre)
        padded = self._pad(image)
        levels = self.extractor(self._pyramid(padded))
        features = self.multiplexer(levels, self._pad(scale[:, None])[:, 0])
        logits = self.back_end(features)
        height, width = (-(-size // self.stride) for size in image.shape[-2:])
        return SegmentationOutput(logits[..., :height, :width], ())

    def _pyramid(self, image: Tensor) -> list[Tensor]:
        multiple = self.extractor.size_multiple
        pyramid = [image]
        for level in range(1, self.multiplexer.num_levels):
            factor = self.multiplexer.pyramid_factor**level
            size = [
                max(multiple, round(side / factor / multiple) * multiple)
                for side in image.shape[-2:]
            ]
            pyramid.append(
                F.interpolate(image, size, mode='bilinear', align_corners=False, antialias=True)
            )
        return pyramid

    def _pad(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[-2:]
        multiple = self.extractor.size_multiple
        beyond = (0, -width % multiple, 0, -height % multiple)
        return F.pad(maps, beyond, mode='replicate')

    def _check_scale(self, image: Tensor, pixels_per_metre: Tensor | None) -> Tensor:
        expected = (image.shape[0], *image.shape[-2:])
        if pixels_per_metre is None:
            raise ModelError(
                'pixels_per_metre', must_be=f'{expected} float32 for a model that uses disparity',
                got=None, do='pass the disparity divided by the baseline', reason='no_disparity',
            )
        if tuple(pixels_per_metre.shape) != expected:
            raise ModelError(
                'pixels_per_metre', must_be=f'{expected} as the image',
                got=tuple(pixels_per_metre.shape), do='bring both to the same size',
                reason='size_mismatch',
            )
        return pixels_per_metre
