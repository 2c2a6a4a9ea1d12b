# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Readers and checks of images and disparities, from files and from arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
import torch

from ldn_perception.errors import BagError, FrameError
from ldn_perception.taxonomy.driving import LABEL_ID_TO_CLASS
from ldn_perception.types import DisparityMap

ImageLike = Union[str, 'os.PathLike[str]', Image.Image, NDArray[np.uint8]]
"""Path, PIL image, or array: (H, W, 3) uint8 RGB, or (H, W) uint8 grey."""

ACCEPTED = 'a path, a PIL image, or an (H, W, 3) uint8 RGB or (H, W) uint8 grey array'


def to_rgb(image: ImageLike, name: str = 'image') -> NDArray[np.uint8]:
    """Convert an image to RGB.

    Arrays must be RGB; OpenCV's BGR order cannot be detected.

    Args:
        image: Path, PIL image or array.
        name: Name of the image in error messages.

    Returns:
        (H, W, 3) uint8 RGB, contiguous; the input array itself if it already is.

    Raises:
        BagError: The file is missing or not an image.
        FrameError: The array has another shape or type, or the argument is of another kind.
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
    """Disparity map of an external disparity array.

    Args:
        values: (H, W) floating point [px]; not finite where unknown.
        shape: Height and width of the left image [px].

    Raises:
        FrameError: The array has another shape or type.
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


IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.ppm', '.pgm', '.tif', '.tiff', '.webp')

_DISPARITY_STEPS_PER_PX = 256


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, sorted by name; empty if the folder is missing."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a camera image, grey or colour, as stored (no EXIF rotation).

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BagError: The file is not an image.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read class ids, 255 = ignored.

    Returns:
        (H, W) uint8.

    Raises:
        BagError: The file is not a one-channel 8 bit image.
    """
    return _read_plane(path, np.uint8, 'one class id a pixel (not a coloured label image)')


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Read a Cityscapes labelIds image as class ids; unevaluated ids become 255.

    Returns:
        (H, W) uint8.

    Raises:
        BagError: The file is not a one-channel 8 bit image.
    """
    return np.asarray(LABEL_ID_TO_CLASS[read_labels(path)])


def read_foreign(path: Path) -> NDArray[np.bool_]:
    """Read a mask of foreign objects: 0 = known, any other value = foreign.

    Returns:
        (H, W) bool.

    Raises:
        BagError: The file is not a one-channel 8 bit image.
    """
    return np.asarray(_read_plane(path, np.uint8, 'a mask of 0 and 255') > 0)


def read_disparity(path: Path) -> NDArray[np.float32]:
    """Read a KITTI disparity image: 256 times the disparity, 0 = unknown.

    Returns:
        (H, W) float32 [px], NaN where unknown.

    Raises:
        BagError: The file is not a one-channel 16 bit image.
    """
    stored = _read_plane(path, np.uint16, 'disparity times 256, 0 where unknown')
    disparity = stored.astype(np.float32) / np.float32(_DISPARITY_STEPS_PER_PX)
    return np.asarray(np.where(stored == 0, np.float32(np.nan), disparity))


def encode_disparity(disparity: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Encode a disparity for `read_disparity`.

    Args:
        disparity: (H, W) float32 [px], NaN where unknown.

    Returns:
        (H, W) uint16, 256 times the disparity, 0 = unknown.
    """
    steps = np.round(np.nan_to_num(disparity, nan=0.0) * _DISPARITY_STEPS_PER_PX)
    return np.clip(steps, 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _read_plane(path: Path, dtype: type[Any], meaning: str) -> NDArray[Any]:
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise BagError(
            f'ground truth {path}', must_be=f'(H, W) {np.dtype(dtype)}, {meaning}',
            got=f'{image.shape} {image.dtype}', do='convert it',
        )
    return image


def _decode(path: Path, flags: int) -> NDArray[Any]:
    """Decode from memory: OpenCV file reading fails silently, and fails on non-ASCII paths."""
    try:
        stream = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BagError(
            f'image {path}', must_be='a readable file', got=str(error), do='check the folder',
        ) from error
    image = cv2.imdecode(stream, flags) if stream.size else None
    if image is None:
        raise BagError(
            f'image {path}', must_be='a PNG, JPEG or the like', got=f'{stream.size} other bytes',
            do='replace the file',
        )
    return image
