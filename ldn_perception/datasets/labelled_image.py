# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every dataset of labelled images gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ldn_perception.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One image and the classes of its pixels.

    Attributes:
        name: Unique within its dataset: path of the image below the root, without suffix.
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8 class ids of the dataset's taxonomy, 255 = nothing is known.
        pixels_per_metre: (H, W) float32 apparent size of one metre [px/m], NaN where the depth is
            unknown; None where the dataset has no stereo.
        instances: (H, W) int32, 0 = no instance; None where the dataset has none.
        negative: The image is not of the world the driving classes describe: there, void and
            foreign are right answers (WildDash).

    Raises:
        DatasetError: The parts have other shapes or types than these.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    pixels_per_metre: NDArray[np.float32] | None = None
    instances: NDArray[np.int32] | None = None
    negative: bool = False

    def __post_init__(self) -> None:
        shape = self.image.shape[:2]
        for part, dtype, wanted in (
            ('image', np.uint8, (*shape, 3)), ('labels', np.uint8, shape),
            ('pixels_per_metre', np.float32, shape), ('instances', np.int32, shape),
        ):
            array = getattr(self, part)
            if array is not None and (array.shape != wanted or array.dtype != dtype):
                raise DatasetError(
                    f'{part} of {self.name}', must_be=f'{wanted} {np.dtype(dtype)}',
                    got=f'{array.shape} {array.dtype}',
                    do='check that image and labels belong together', reason='size_mismatch',
                )


class LabelledImages(Protocol):
    """A dataset of labelled images, read from the disk one at a time.

    Attributes:
        taxonomy: Classes of the labels.
    """

    taxonomy: Taxonomy

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledImage:
        """Image at an index of [0, len).

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        ...
