# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every dataset of stereo pairs with ground truth gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ldn_perception.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.frames import StereoFrame


@dataclass(frozen=True, slots=True)
class StereoPair:
    """A stereo pair whose disparity is known.

    Attributes:
        name: Unique within its dataset.
        frame: Both images and the rig.
        disparity: (H, W) float32 of the left image [px], NaN where unknown.
        matched: (H, W) bool, the pixels that the right image sees too; None where the dataset
            does not tell them from the occluded ones.

    Raises:
        DatasetError: The parts have other shapes or types than these.
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
    """A dataset of stereo pairs, read from the disk one at a time."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> StereoPair:
        """Pair at an index of [0, len).

        Raises:
            IndexError: There is no such pair.
            DatasetError: A file is missing or damaged.
        """
        ...
