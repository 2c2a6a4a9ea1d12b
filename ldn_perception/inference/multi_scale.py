# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Multi-scale evaluation: the mean opinion of one network on resized and mirrored images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
import torch.nn.functional as F

from ldn_perception.errors import InferenceError
from ldn_perception.host_transfers import upload
from ldn_perception.inference.torch_engine import TorchEngine
from ldn_perception.models.normalisation import IMAGENET, Normalisation, normalise
from ldn_perception.models.segmentation_model import SegmentationModel


class MultiScaleEngine(TorchEngine):
    """Runs a model on every scale of an image, plain and mirrored, and averages probabilities.

    The mean is taken at the resolution of the image, over softmax of the upsampled logits. It
    comes out as its logarithm, whose softmax is the mean itself: decoders treat it as logits.
    Apparent sizes grow with the image; they are resized to their nearest neighbours, so that an
    unknown depth does not spread.

    Args:
        model: The network; it is moved to the device and put into evaluation mode.
        device: Where it runs.
        scales: Factors on the sides of the image, more than 0; sides are rounded to pixels.
        flips: Whether each scale is also seen mirrored left to right.
        precision: torch.float32, or torch.bfloat16 for autocast.
        normalisation: What the network was trained with.

    Raises:
        InferenceError: There is no scale, or one is not more than 0.

    Source: thesis section 4.6, "MS" in Table 4.2.
    """

    def __init__(
        self,
        model: SegmentationModel,
        device: torch.device,
        *,
        scales: Sequence[float] = (0.5, 0.75, 1.0, 1.5, 2.0),
        flips: bool = True,
        precision: torch.dtype = torch.float32, normalisation: Normalisation = IMAGENET,
    ) -> None:
        if not scales or min(scales) <= 0:
            raise InferenceError(
                'scales', must_be='one or more factors above 0', got=tuple(scales),
                do='evaluate at scale 1.0 if in doubt',
            )
        super().__init__(model, device, precision, normalisation)
        self._scales = tuple(scales)
        self._mirrored = (False, True) if flips else (False,)

    @property
    def description(self) -> str:
        """What runs it, in which arithmetic."""
        return f'{super().description}, {len(self._scales) * len(self._mirrored)} views'

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Logarithm of the mean probabilities of one image; see Engine.

        Args:
            image: (H, W, 3) uint8 RGB in host memory.
            pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; None unless
                uses_disparity.

        Returns:
            (1, C, H, W) float32 on the engine's device, at the resolution of the image.

        Raises:
            ModelError: The network needs pixels_per_metre and there is none, or the image is too
                small for it at the smallest scale.
        """
        with torch.inference_mode():
            normalised = normalise(upload(image, self._device), self._normalisation)
            sizes = None
            if pixels_per_metre is not None:
                sizes = upload(pixels_per_metre[None], self._device)
            views = [(scale, mirrored) for scale in self._scales for mirrored in self._mirrored]
            total = self._probabilities(normalised, sizes, *views[0])
            for view in views[1:]:
                total += self._probabilities(normalised, sizes, *view)
            smallest = torch.finfo(total.dtype).tiny
            return (total / len(views)).clamp_min(smallest).log()

    def _probabilities(
        self, image: Tensor, pixels_per_metre: Tensor | None, scale: float, mirrored: bool,
    ) -> Tensor:
        height, width = image.shape[-2:]
        view = _resize_image(image, scale)
        sizes = None if pixels_per_metre is None else _resize_sizes(pixels_per_metre, scale)
        if mirrored:
            view = view.flip(-1)
            sizes = None if sizes is None else sizes.flip(-1)
        autocast = torch.autocast(
            self._device.type, self._precision, enabled=self._precision != torch.float32)
        with autocast:
            logits = self._model(view, sizes).logits
        logits = F.interpolate(
            logits.float(), (height, width), mode='bilinear', align_corners=False)
        return (logits.flip(-1) if mirrored else logits).softmax(dim=1)


def _resize_image(image: Tensor, scale: float) -> Tensor:
    size = _scaled_size(image, scale)
    return F.interpolate(image, size, mode='bilinear', align_corners=False, antialias=True)


def _resize_sizes(pixels_per_metre: Tensor, scale: float) -> Tensor:
    size = _scaled_size(pixels_per_metre, scale)
    nearest = F.interpolate(pixels_per_metre[:, None], size, mode='nearest-exact')[:, 0]
    return nearest * scale


def _scaled_size(maps: Tensor, scale: float) -> list[int]:
    return [max(1, round(side * scale)) for side in maps.shape[-2:]]
