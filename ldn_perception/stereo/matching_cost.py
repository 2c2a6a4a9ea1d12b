# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every matching cost does."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class MatchingCost(Protocol):
    """Says how badly two pixels match."""

    def compute(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8], min_disparity: int,
        num_disparities: int,
    ) -> NDArray[np.uint8]:
        """Cost of every disparity at every pixel of the left image.

        Args:
            left: (H, W, 3) uint8 RGB, rectified.
            right: (H, W, 3) uint8 RGB, rectified.
            min_disparity: Disparity of the first cost [px].
            num_disparities: D, >= 1.

        Returns:
            (H, W, D) uint8, of left[y, x] and right[y, x - min_disparity - d]; for columns
            outside of the right image a number between those of true and of false matches, so
            that pixels which the right camera does not see find no match inside of it. It holds
            until the next call, which may write into the same memory.
        """
        ...
