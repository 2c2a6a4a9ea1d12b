# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every set of images with marked foreign objects gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import read_indices, read_rgb
from ldn_perception.errors import DatasetError

FOREIGN = 1
IGNORED = 255
_MEANING = '0 for known, 1 for foreign, 255 for ignored'


@dataclass(frozen=True, slots=True)
class AnomalyImage:
    """One image of a road, and what does not belong there.

    Attributes:
        name: Unique within its set: path of the image below the root, without suffix.
        image: (H, W, 3) uint8 RGB.
        foreign: (H, W) bool, True on foreign objects.
        valid: (H, W) bool, False where a score does not count.

    Raises:
        DatasetError: The parts have other shapes.
    """

    name: str
    image: NDArray[np.uint8]
    foreign: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        if self.foreign.shape != shape or self.valid.shape != shape:
            raise DatasetError(
                f'mask of {self.name}', must_be=f'{shape} as its image', got=self.foreign.shape,
                do='check that image and mask belong together', reason='size_mismatch',
            )


class AnomalyImages:
    """Images with one mask each, read from the disk one at a time.

    Args:
        root: Folder of the set; images are named by their path below it.
        images: Images, in the order of the set.
        masks: Mask of each: 0 for known, 1 for foreign, 255 for ignored.
    """

    def __init__(self, root: Path, images: Sequence[Path], masks: Sequence[Path]) -> None:
        self._root = root
        self._images = images
        self._masks = masks

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> AnomalyImage:
        """Read an image and its mask.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        image, path = self._images[index], self._masks[index]
        mask = read_indices(path, _MEANING)
        strange = sorted(set(np.unique(mask).tolist()) - {0, FOREIGN, IGNORED})
        if strange:
            raise DatasetError(
                f'file {path}', must_be=_MEANING, got=f'the values {strange[:5]}',
                do='check that this is the mask of a foreign object', reason='damaged',
            )
        return AnomalyImage(
            image.relative_to(self._root).with_suffix('').as_posix(), read_rgb(image),
            mask == FOREIGN, mask != IGNORED)
