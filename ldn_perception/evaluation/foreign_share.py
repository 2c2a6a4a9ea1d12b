# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How much of an image is called foreign, rightly and wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.evaluation.pixel_truth import PixelTruth


class ForeignShare:
    """Part of the pixels that is called foreign: of the known, the foreign and of all.

    All pixels include those that the ground truth says nothing about.
    """

    def __init__(self) -> None:
        self._called = dict.fromkeys(('known', 'foreign', 'all'), 0)
        self._pixels = dict.fromkeys(('known', 'foreign', 'all'), 0)

    def accumulate(self, called: NDArray[np.bool_], truth: PixelTruth) -> None:
        """Add one image.

        Args:
            called: (H, W) bool, True where the network says foreign.
            truth: Of the same size.
        """
        everything = np.ones(called.shape, np.bool_)
        for name, mask in (
            ('known', truth.known), ('foreign', truth.foreign), ('all', everything),
        ):
            self._called[name] += int((called & mask).sum())
            self._pixels[name] += int(mask.sum())

    def shares(self) -> dict[str, float]:
        """'known', 'foreign', 'all' -> part of them called foreign; NaN where there are none."""
        return {
            name: self._called[name] / pixels if pixels else float('nan')
            for name, pixels in self._pixels.items()
        }
