# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Export form of a network: camera bytes in, logits out."""

from __future__ import annotations

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ldn_perception.models.inference_form import is_rewritable, rewrite_for_inference
from ldn_perception.models.segmentation_model import IMAGENET, Normalisation, SegmentationModel

_TYPICAL_PIXELS_PER_METRE = 30.0


class ImageSize(NamedTuple):
    """Image size of an exported network.

    Attributes:
        width_px: Width [px].
        height_px: Height [px].
    """

    width_px: int
    height_px: int

    def __str__(self) -> str:
        return f'{self.width_px}x{self.height_px}'

    @classmethod
    def from_text(cls, text: str) -> ImageSize:
        """Parse the format of `str`: '640x480'."""
        width, height = text.split('x')
        return cls(int(width), int(height))


class DeployedNetwork(nn.Module):
    """Normalisation and network as one graph, without auxiliary outputs.

    The mean is subtracted before the first convolution, not folded into it: folding would be wrong
    at zero-padded borders.

    Args:
        model: The network; it is put into evaluation mode.
        normalisation: Normalisation it was trained with.

    Attributes:
        uses_disparity: True if `forward` needs pixels_per_metre.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self, model: SegmentationModel, normalisation: Normalisation = IMAGENET,
    ) -> None:
        super().__init__()
        self.model = model
        self.uses_disparity = model.uses_disparity
        mean, std = torch.tensor(normalisation.mean), torch.tensor(normalisation.std)
        self.register_buffer('scale', (1 / (255 * std)).view(1, 3, 1, 1))
        self.register_buffer('offset', (-mean / std).view(1, 3, 1, 1))
        self.eval()

    def forward(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Compute the logits of one image.

        Args:
            image: (1, H, W, 3) uint8 RGB.
            pixels_per_metre: (1, H, W) float32 [px/m], NaN where unknown; None unless
                uses_disparity.

        Returns:
            (1, C, h, w) float32 at the network's own resolution.
        """
        normalised = image.permute(0, 3, 1, 2).float() * self.scale + self.offset
        logits: Tensor = self.model(normalised, pixels_per_metre).logits
        return logits.float()

    def rewritten(self) -> DeployedNetwork:
        """Copy in inference form, if the network supports it; see `models.inference_form`."""
        copy = deepcopy(self).requires_grad_(False)
        if is_rewritable(copy.model):
            copy.model = rewrite_for_inference(copy.model)
        return copy

    def example_inputs(self, size: ImageSize) -> tuple[Tensor, ...]:
        """Example inputs of `forward` for one size on the network's device: noise, one depth."""
        shape = (1, size.height_px, size.width_px)
        random = torch.Generator().manual_seed(0)
        image = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=random)
        image = image.to(self.scale.device)
        if not self.uses_disparity:
            return (image,)
        return image, torch.full(shape, _TYPICAL_PIXELS_PER_METRE, device=image.device)
