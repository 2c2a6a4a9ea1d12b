# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stereo pairs with known disparity, and pairs synthesised from photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.everyday_images import PlainImages
from ldn_perception.errors import DatasetError
from ldn_perception.types import CameraGeometry, StereoFrame


@dataclass(frozen=True, slots=True)
class StereoPair:
    """Stereo pair with known disparity.

    Attributes:
        name: Unique within its dataset.
        frame: Both images and the camera geometry.
        disparity: (H, W) float32 of the left image [px], NaN where unknown.
        matched: (H, W) bool, True where the pixel is visible in the right image; None if the
            dataset does not mark occlusions.

    Raises:
        DatasetError: Shapes or types differ from the above.
    """

    name: str
    frame: StereoFrame
    disparity: NDArray[np.float32]
    matched: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = self.frame.geometry.shape
        for part, dtype in (('disparity', np.float32), ('matched', np.bool_)):
            array = getattr(self, part)
            if array is not None and (array.shape != shape or array.dtype != dtype):
                raise DatasetError(
                    f'{part} of {self.name}', must_be=f'{shape} {np.dtype(dtype)} as the images',
                    got=f'{array.shape} {array.dtype}',
                    do='check that images and ground truth belong together',
                    reason='size_mismatch',
                )


class StereoPairs(Protocol):
    """Dataset of stereo pairs, read from disk one at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len).

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        ...


MOST_OBJECTS = 12
LARGEST_SHARE = 0.2
"""Largest disparity, as a share of the image width."""


class WarpedPhotographs:
    """Photographs as right images, with left images warped by a random surface.

    The surface is a slanted plane with objects in front of it, all slightly uneven. Light and
    noise are the same in both images: training on the pairs must vary them.

    Args:
        root: Folder of the photographs, or one with a folder `images`.
        split: 'train', 'val' (every fifth by name) or 'all'.
        variants: Random surfaces per photograph.

    Raises:
        DatasetError: The split is unknown, or there are no photographs.
    """

    def __init__(self, root: Path, split: str = 'all', variants: int = 1) -> None:
        self._photographs = PlainImages(root, split)
        self._variants = variants

    def __len__(self) -> int:
        return len(self._photographs) * self._variants

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len), the same in every call.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is damaged.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        variant, number = divmod(index, len(self._photographs))
        photograph = self._photographs[number]
        random = np.random.default_rng((number, variant))
        return warped_pair(photograph.name, photograph.image, random)


def warped_pair(
    name: str, right: NDArray[np.uint8], random: np.random.Generator,
) -> StereoPair:
    """Synthesise a left image from a right image and a random surface.

    Args:
        name: Name of the pair.
        right: (H, W, 3) uint8 RGB.
        random: Random generator of the surface.

    Returns:
        Pair in which every pixel with a disparity is visible to both cameras.
    """
    height, width = right.shape[:2]
    disparity = random_surface(height, width, random)
    column = np.arange(width, dtype=np.float32) - disparity
    row = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], column.shape)
    left = np.asarray(cv2.remap(
        right, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8)
    seen = column >= 0
    center = (width - 1) / 2
    geometry = CameraGeometry(
        width, height, width, width, center, (height - 1) / 2, center, baseline=1.0)
    truth = np.where(seen, disparity, np.float32(np.nan)).astype(np.float32)
    return StereoPair(name, StereoFrame(0, 'left_camera', left, right, geometry), truth, seen)


def random_surface(
    height: int, width: int, random: np.random.Generator,
) -> NDArray[np.float32]:
    """Random disparity map in pixels, (H, W) float32 from 0 to LARGEST_SHARE * width."""
    largest = LARGEST_SHARE * width
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j].astype(np.float32)
    far, near = np.sort(random.random(2)) * 0.6
    surface = far + (near - far) * y + random.normal(0, 0.1) * (x - 0.5)
    things = np.sort(random.uniform(far, 1, random.integers(0, MOST_OBJECTS + 1)))
    for depth in things:
        outline = np.zeros((height, width), np.uint8)
        cv2.fillPoly(outline, [_outline(height, width, random)], 1)
        slant = random.normal(0, 0.1, 2)
        thing = depth + slant[0] * (x - 0.5) + slant[1] * (y - 0.5)
        surface = np.where(outline > 0, thing, surface)
    coarse = random.normal(0, 1, (6, 8)).astype(np.float32)
    uneven = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    bent = np.clip(surface * largest + uneven, 0, largest)
    disparity: NDArray[np.float32] = bent.astype(np.float32)
    return disparity


def _outline(height: int, width: int, random: np.random.Generator) -> NDArray[np.int32]:
    """Corners of a random star-shaped polygon, (K, 2) int32 as (x, y)."""
    number = int(random.integers(3, 9))
    angle = np.sort(random.uniform(0, 2 * np.pi, number))
    size = random.uniform(0.02, 0.35, 2) * (width, height)
    corners = np.stack([np.cos(angle), np.sin(angle)], 1) * size
    corners *= random.uniform(0.4, 1, (number, 1))
    return np.asarray(np.rint(corners + random.random(2) * (width, height)), np.int32)
