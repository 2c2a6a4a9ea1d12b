# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every matcher does."""

from __future__ import annotations

from typing import Protocol

from ldn_perception.frames import DisparityMap, StereoFrame


class Matcher(Protocol):
    """Finds the disparity of a pair."""

    @property
    def gives_confidence(self) -> bool:
        """Whether its disparities come with a confidence."""
        ...

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image, at its size, NaN where unknown.

        If an image has a single colour everything is unknown, and the map says why.

        Args:
            frame: A rectified pair; a point at column x of the left image is at column
                x - disparity of the right one.

        Raises:
            StereoError: The pair lacks what this matcher works on, or is too small for it.
        """
        ...
