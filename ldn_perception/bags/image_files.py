# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Camera images and ground truth from image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import BagError
from ldn_perception.taxonomy.cityscapes import LABEL_ID_TO_CLASS

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.ppm', '.pgm', '.tif', '.tiff', '.webp')

_DISPARITY_STEPS_PER_PX = 256


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder by name; empty when there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a camera image, grey or coloured, as it is stored (no rotation by EXIF).

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
    """Read a Cityscapes labelIds image as class ids; ids that are not evaluated become 255.

    Returns:
        (H, W) uint8.

    Raises:
        BagError: The file is not a one-channel 8 bit image.
    """
    return np.asarray(LABEL_ID_TO_CLASS[read_labels(path)])


def read_foreign(path: Path) -> NDArray[np.bool_]:
    """Read a mask of foreign objects, 0 = known, anything else = foreign.

    Returns:
        (H, W) bool.

    Raises:
        BagError: The file is not a one-channel 8 bit image.
    """
    return np.asarray(_read_plane(path, np.uint8, 'a mask of 0 and 255') > 0)


def read_disparity(path: Path) -> NDArray[np.float32]:
    """Read a disparity image as KITTI stores it: 256 times the disparity, 0 = unknown.

    Returns:
        (H, W) float32 [px], NaN where unknown.

    Raises:
        BagError: The file is not a one-channel 16 bit image.
    """
    stored = _read_plane(path, np.uint16, 'disparity times 256, 0 where unknown')
    disparity = stored.astype(np.float32) / np.float32(_DISPARITY_STEPS_PER_PX)
    return np.asarray(np.where(stored == 0, np.float32(np.nan), disparity))


def encode_disparity(disparity: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Disparity as `read_disparity` reads it.

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
    """Decode from memory: OpenCV's own file reading fails silently and on non-ASCII paths."""
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
