# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Eager torch engines: single-scale reference, multi-scale, and resized."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
import torch.nn.functional as F

from ldn_perception.errors import InferenceError
from ldn_perception.hardware import PRECISION_NAMES, upload
from ldn_perception.inference.engine import Engine
from ldn_perception.models.segmentation_model import (
    IMAGENET,
    Normalisation,
    SegmentationModel,
    normalise,
)


class TorchEngine:
    """Runs a model in eager mode.

    Args:
        model: The network; it is moved to the device and put into evaluation mode.
        device: Device of the network.
        precision: torch.float32, or torch.bfloat16 for autocast.
        normalisation: Normalisation the network was trained with.
    """

    def __init__(
        self, model: SegmentationModel, device: torch.device,
        precision: torch.dtype = torch.float32, normalisation: Normalisation = IMAGENET,
    ) -> None:
        self._model = model.eval().to(device)
        # torch's type stubs lack this overload of Module.to
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        self._precision = precision
        self._normalisation = normalisation

    @property
    def description(self) -> str:
        """Library and precision."""
        return f'torch, {PRECISION_NAMES[self._precision]}'

    @property
    def device(self) -> torch.device:
        """Device of the logits."""
        return self._device

    @property
    def uses_disparity(self) -> bool:
        """True if the network needs pixels_per_metre."""
        return self._model.uses_disparity

    def run(
        self, image: torch.Tensor, pixels_per_metre: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the logits of one image; see Engine."""
        autocast = torch.autocast(
            self._device.type, self._precision, enabled=self._precision != torch.float32)
        with torch.inference_mode(), autocast:
            scales = None
            if pixels_per_metre is not None:
                scales = upload(pixels_per_metre[None], self._device)
            normalised = normalise(upload(image, self._device), self._normalisation)
            logits: torch.Tensor = self._model(normalised, scales).logits.float()
            return logits


class MultiScaleEngine(TorchEngine):
    """Averages probabilities over several scales of an image, plain and mirrored.

    The mean is over the softmax of the logits upsampled to the image. Its logarithm is returned:
    the softmax of that is the mean itself, so decoders can treat it as logits. Apparent sizes grow
    with the image. They are resized by nearest neighbour, so that unknown depths do not spread.
    Where the logits of a view are not finite, those returned are NaN.

    Args:
        model: The network; it is moved to the device and put into evaluation mode.
        device: Device of the network.
        scales: Factors > 0 on the sides of the image; sides are rounded to pixels.
        flips: True if each scale is also evaluated mirrored left to right.
        precision: torch.float32, or torch.bfloat16 for autocast.
        normalisation: Normalisation the network was trained with.

    Raises:
        InferenceError: There is no scale, or one is not above 0.

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
        """Library, precision and number of views."""
        return f'{super().description}, {len(self._scales) * len(self._mirrored)} views'

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Compute the logarithm of the mean probabilities of one image; see Engine.

        Args:
            image: (H, W, 3) uint8 RGB in host memory.
            pixels_per_metre: (H, W) float32 [px/m], NaN where unknown; None unless
                uses_disparity.

        Returns:
            (1, C, H, W) float32 on the engine's device, at the resolution of the image.

        Raises:
            ModelError: The network needs pixels_per_metre and none is given, or the image is too
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
            logits = self._model(view, sizes).logits.float()
        # The softmax would turn an infinity of one class into probabilities of the others.
        logits = logits.masked_fill(~logits.isfinite().all(1, keepdim=True), torch.nan)
        logits = F.interpolate(
            logits, (height, width), mode='bilinear', align_corners=False)
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


class ResizedEngine:
    """Resizes images for another engine; decoders resize its logits to the original image.

    Args:
        engine: Engine that runs the network.
        width_px: Width of the resized images [px].
        height_px: Height of the resized images [px].
    """

    def __init__(self, engine: Engine, width_px: int, height_px: int) -> None:
        self._engine = engine
        self._size = width_px, height_px

    @property
    def description(self) -> str:
        """Description of the engine, and the image size."""
        return f'{self._engine.description}, at {self._size[0]}x{self._size[1]}'

    @property
    def device(self) -> torch.device:
        """Device of the logits."""
        return self._engine.device

    @property
    def uses_disparity(self) -> bool:
        """True if the network needs pixels_per_metre."""
        return self._engine.uses_disparity

    def run(self, image: Tensor, pixels_per_metre: Tensor | None = None) -> Tensor:
        """Compute the logits of one image, resized; see Engine."""
        sizes = None if pixels_per_metre is None else self._resize_sizes(pixels_per_metre)
        return self._engine.run(self._resize_image(image), sizes)

    def _resize_image(self, image: Tensor) -> Tensor:
        height, width = image.shape[:2]
        if (width, height) == self._size:
            return image
        method = cv2.INTER_AREA if self._size[0] < width else cv2.INTER_LINEAR
        resized = cv2.resize(image.numpy(), self._size, interpolation=method)
        return torch.from_numpy(np.asarray(resized, np.uint8))

    def _resize_sizes(self, pixels_per_metre: Tensor) -> Tensor:
        """Resize by nearest neighbour and scale with the width; unknown pixels do not spread."""
        nearest = F.interpolate(
            pixels_per_metre[None, None], self._size[::-1], mode='nearest-exact')[0, 0]
        return nearest * (self._size[0] / pixels_per_metre.shape[1])
