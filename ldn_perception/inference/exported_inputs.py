# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What engines of one size of images check and are exported with."""

from __future__ import annotations

import torch

from ldn_perception.errors import InferenceError, ModelError
from ldn_perception.inference.deployed_network import DeployedNetwork, ImageSize


def example_inputs_beside(network: DeployedNetwork, size: ImageSize) -> tuple[torch.Tensor, ...]:
    """`example_inputs` on the device of the network."""
    return tuple(value.to(network.scale.device) for value in network.example_inputs(size))


def check_inputs(
    size: ImageSize, uses_disparity: bool, image: torch.Tensor,
    pixels_per_metre: torch.Tensor | None,
) -> torch.Tensor | None:
    """Refuse what an exported network cannot take.

    Args:
        size: What it was exported for.
        uses_disparity: Whether it needs pixels_per_metre.
        image: (H, W, 3) uint8 RGB.
        pixels_per_metre: (H, W) float32 [px/m]; None without.

    Returns:
        pixels_per_metre if the network needs them, else None.

    Raises:
        InferenceError: The image is of another size or type.
        ModelError: pixels_per_metre are missing or of another size.
    """
    expected = (size.height_px, size.width_px)
    if tuple(image.shape) != (*expected, 3) or image.dtype != torch.uint8:
        raise InferenceError(
            'image', must_be=f'{(*expected, 3)} uint8, as the engine was exported for',
            got=f'{tuple(image.shape)} {str(image.dtype).removeprefix("torch.")}',
            do='export an engine for this size, or choose engine torch', reason='size_mismatch',
        )
    if not uses_disparity:
        return None
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
