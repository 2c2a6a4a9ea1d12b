# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The cells between logits, and which pixels of the image lie in them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CellAxis(NamedTuple):
    """Pixels and cells along one side of the image.

    Cell i lies between sample i and its successor; the last one has no successor and takes
    itself.

    Attributes:
        first: (pixels,) int64, cell of each pixel, ascending; also the sample before it.
        second: (pixels,) int64, the sample after it.
        weight: (pixels,) float32, weight of the second sample, in [0, 1).
        starts: (cells + 1,) int64, first pixel of each cell, and the number of pixels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float32]
    starts: NDArray[np.int64]


@lru_cache(maxsize=16)
def cell_axis(num_samples: int, num_pixels: int) -> CellAxis:
    """Lay samples over pixels as torch's interpolate(align_corners=False) does.

    Args:
        num_samples: Logits along the side.
        num_pixels: Pixels along the side.
    """
    scale = np.float32(num_samples / num_pixels)
    position = np.maximum(scale * (np.arange(num_pixels, dtype=np.float32) + np.float32(0.5))
                          - np.float32(0.5), 0)
    first = np.minimum(position.astype(np.int64), num_samples - 1)
    second = np.minimum(first + 1, num_samples - 1)
    starts = np.searchsorted(first, np.arange(num_samples + 1))
    return CellAxis(first, second, (position - first).astype(np.float32), starts)
