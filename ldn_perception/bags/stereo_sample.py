# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded pair together with what is known to be true of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ldn_perception.errors import BagError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.frames import StereoFrame


@dataclass(frozen=True, slots=True)
class StereoSample:
    """One pair of a drive and its ground truth, as far as the drive has any.

    Attributes:
        frame: The pair.
        labels: (H, W) uint8 class ids, 255 = ignored.
        foreign: (H, W) bool, True on objects the classes do not cover.
        disparity: (H, W) float32 disparity of the left image [px], NaN where unknown.

    Raises:
        BagError: Ground truth has another size or type than the images ask for.
    """

    frame: StereoFrame
    labels: NDArray[np.uint8] | None = None
    foreign: NDArray[np.bool_] | None = None
    disparity: NDArray[np.float32] | None = None

    def truth(self) -> dict[str, NDArray[Any]]:
        """Ground truth that there is, by name: labels, foreign, disparity."""
        known = {'labels': self.labels, 'foreign': self.foreign, 'disparity': self.disparity}
        return {name: values for name, values in known.items() if values is not None}

    def __post_init__(self) -> None:
        shape = self.frame.geometry.shape
        for name, dtype in (
            ('labels', np.uint8), ('foreign', np.bool_), ('disparity', np.float32),
        ):
            values = getattr(self, name)
            if values is not None and (values.shape != shape or values.dtype != dtype):
                raise BagError(
                    f'ground truth {name}', must_be=f'{shape} {np.dtype(dtype)}',
                    got=f'{values.shape} {values.dtype}',
                    do='give ground truth at the size of the left image',
                )
