# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every matcher asks of a pair before it matches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap, StereoFrame

_SPARSE = 16


def take_pair(
    frame: StereoFrame, min_disparity: int, max_disparity: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both images, contiguous.

    Args:
        frame: The pair.
        min_disparity: Smallest disparity searched [px].
        max_disparity: Disparities are searched below it [px].

    Raises:
        StereoError: There is no right image, or the image is not wider than the search reaches.
    """
    if frame.right is None:
        raise StereoError(
            'frame for a stereo matcher', must_be='one with a right image', got='none',
            do='set stereo.matcher to external or publish the right image',
            reason='no_right_image',
        )
    width, reach = frame.geometry.width, max(max_disparity, -min_disparity)
    if width <= reach:
        raise StereoError(
            'width of the images to match', must_be=f'> the farthest search, {reach} px',
            got=f'{width} px',
            do='bring stereo.min_disparity and stereo.max_disparity nearer to 0',
            reason='too_narrow',
        )
    return np.ascontiguousarray(frame.left), np.ascontiguousarray(frame.right)


def blank_side(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> str:
    """Say which image has a single colour, so that nothing in it can be matched; empty if none."""
    for side, image in (('left', left), ('right', right)):
        if is_blank(image):
            return f'the {side} image has a single colour'
    return ''


def is_blank(image: NDArray[np.uint8]) -> bool:
    """Whether an image has a single colour."""
    color = image[0, 0]
    return bool((image[::_SPARSE, ::_SPARSE] == color).all() and (image == color).all())


def unknown_disparity(
    shape: tuple[int, int], min_disparity: float, max_disparity: float, step: float,
    problem: str, device: torch.device | None = None, *, gives_confidence: bool,
) -> DisparityMap:
    """Disparity of a pair in which nothing can be matched: NaN everywhere, confidence 0.

    Args:
        shape: Shape of the image, (height, width) [px].
        min_disparity: Smallest disparity the matcher looks for [px].
        max_disparity: Largest disparity the matcher looks for [px].
        step: Smallest difference between two disparities [px].
        problem: Why.
        device: Where the matcher leaves its disparities; the host unless said.
        gives_confidence: Whether the matcher gives confidences.
    """
    return DisparityMap(
        _filled(shape, np.nan, device), min_disparity, max_disparity, step,
        _filled(shape, 0.0, device) if gives_confidence else None, problem)


def _filled(shape: tuple[int, int], value: float, device: torch.device | None) -> torch.Tensor:
    # torch.full would give this thread a team of OpenMP threads, see StereoSegmentationPipeline.
    return torch.from_numpy(np.full(shape, value, np.float32)).to(device)
