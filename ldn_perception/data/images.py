# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images and disparities that callers pass in, checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray
from PIL import Image
import torch

from ldn_perception.bags.image_files import read_rgb
from ldn_perception.errors import FrameError
from ldn_perception.frames import DisparityMap

ImageLike = Union[str, 'os.PathLike[str]', Image.Image, NDArray[np.uint8]]
"""Path, PIL image, or array: (H, W, 3) uint8 RGB, or (H, W) uint8 grey."""

ACCEPTED = 'a path, a PIL image, or an (H, W, 3) uint8 RGB or (H, W) uint8 grey array'


def to_rgb(image: ImageLike, name: str = 'image') -> NDArray[np.uint8]:
    """Image as RGB.

    Arrays must be RGB: the order of OpenCV, BGR, cannot be told from it.

    Args:
        image: The image.
        name: Name of the image in errors.

    Returns:
        (H, W, 3) uint8 RGB, contiguous; the very same array where it is that already.

    Raises:
        BagError: The file is missing or no image.
        FrameError: The array has another shape or type, or it is something else.
    """
    if isinstance(image, (str, os.PathLike)):
        return read_rgb(Path(image))
    if isinstance(image, Image.Image):
        return np.array(image.convert('RGB'))
    if not isinstance(image, np.ndarray):
        advice = (
            'pass image.permute(1, 2, 0).cpu().numpy() of a (3, H, W) uint8 tensor'
            if isinstance(image, torch.Tensor) else 'convert it')
        raise FrameError(name, must_be=ACCEPTED, got=type(image).__name__, do=advice)
    _check_array(image, name)
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image)


def _check_array(image: NDArray[Any], name: str) -> None:
    got = f'{image.shape} {image.dtype}'
    if image.dtype != np.uint8:
        advice = 'convert it to uint8 in [0, 255]'
        if np.issubdtype(image.dtype, np.floating):
            known = image[np.isfinite(image)]
            if known.size and known.min() >= 0 and known.max() <= 1:
                got += ' in [0, 1]'
                advice = 'pass (image * 255).round().astype(numpy.uint8)'
        raise FrameError(name, must_be=ACCEPTED, got=got, do=advice)
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3):
        if image.size:
            return
        advice = 'give an image with pixels'
    elif image.ndim == 3 and image.shape[2] == 4:
        advice = 'drop the alpha channel, image[..., :3]'
    elif image.ndim == 3 and image.shape[0] == 3:
        advice = 'put the channels last, image.transpose(1, 2, 0)'
    elif image.ndim == 4:
        advice = 'pass one image at a time'
    else:
        advice = 'convert it to RGB'
    raise FrameError(name, must_be=ACCEPTED, got=got, do=advice)


def to_disparity(values: NDArray[np.floating], shape: tuple[int, int]) -> DisparityMap:
    """Disparity that was computed elsewhere.

    Args:
        values: (H, W) floating point [px]; not finite where unknown.
        shape: Height and width of the left image [px].

    Raises:
        FrameError: The values are no such array.
    """
    if not isinstance(values, np.ndarray) or not np.issubdtype(values.dtype, np.floating):
        raise FrameError(
            'disparity', must_be=f'a {shape} floating-point array in pixels, NaN where unknown',
            got=str(values.dtype) if isinstance(values, np.ndarray) else type(values).__name__,
            do='divide a KITTI disparity image by 256 and set its zeros to NaN')
    if values.shape != shape:
        raise FrameError(
            'disparity', must_be=f'{shape} as the left image', got=values.shape,
            do='give the disparity of the left image at its size', reason='size_mismatch')
    known = np.isfinite(values)
    pixels = np.where(known, values, np.nan).astype(np.float32)
    lowest, highest = (
        (float(pixels[known].min()), float(pixels[known].max())) if known.any() else (0.0, 1.0))
    lowest = min(0.0, lowest)
    return DisparityMap(torch.from_numpy(pixels), lowest, max(highest, lowest + 1.0))
