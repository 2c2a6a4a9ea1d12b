# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matching at a part of the image's size, for users that need no more than that."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ldn_perception.frames import CameraGeometry, DisparityMap, StereoFrame
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.stereo.pair_checks import take_pair


class ReducedMatcher:
    """Another matcher on a smaller pair; its disparities come back at full size.

    A pixel of the small pair is the mean of divisor x divisor pixels, so its disparity is exactly
    1 / divisor of theirs, without an offset. All of them get it, multiplied; what is unknown in
    the small map stays unknown in all of them, and nothing is mixed with it.

    Args:
        matcher: Searches 1 / divisor of the disparities wanted.
        divisor: Ratio of the sizes, >= 1.
    """

    def __init__(self, matcher: Matcher, divisor: int) -> None:
        self._matcher = matcher
        self._divisor = divisor

    @property
    def gives_confidence(self) -> bool:
        """Whether its disparities come with a confidence."""
        return self._matcher.gives_confidence

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Disparity of the left image; range and step are those of the small pair, multiplied.

        Raises:
            StereoError: The matcher cannot work on the small pair.
        """
        small = self._matcher.match(reduce_pair(frame, self._divisor))
        shape, confidence = frame.geometry.shape, small.confidence
        return DisparityMap(
            self._enlarged(small.values * self._divisor, shape),
            small.min_disparity * self._divisor,
            small.max_disparity * self._divisor,
            small.step * self._divisor,
            None if confidence is None else self._enlarged(confidence, shape),
            small.problem,
        )

    def _enlarged(self, small: Tensor, shape: tuple[int, int]) -> Tensor:
        height, width = small.shape
        blocks = small[:, None, :, None].expand(height, self._divisor, width, self._divisor)
        large = blocks.reshape(height * self._divisor, width * self._divisor)
        return large[:shape[0], :shape[1]].contiguous()


def reduce_pair(frame: StereoFrame, divisor: int) -> StereoFrame:
    """Pair at 1 / divisor of its size, with the geometry of the small images.

    Where a side is no multiple of the divisor its last pixels are repeated first.

    Args:
        frame: A pair with a right image.
        divisor: Ratio of the sizes, >= 1.

    Raises:
        StereoError: There is no right image.
    """
    left, right = (_reduced(image, divisor) for image in take_pair(frame, 0, 0))
    rig = frame.geometry
    # a column's number is that of its centre: the first small one is at (divisor - 1) / 2
    cx, cy, cx_right = (
        (center + 0.5) / divisor - 0.5 for center in (rig.cx, rig.cy, rig.cx_right))
    geometry = CameraGeometry(
        left.shape[1], left.shape[0], rig.fx / divisor, rig.fy / divisor, cx, cy, cx_right,
        rig.baseline)
    return StereoFrame(frame.stamp_ns, frame.frame_id, left, right, geometry)


def _reduced(image: NDArray[np.uint8], divisor: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    below, beside = -height % divisor, -width % divisor
    if below or beside:
        image = np.asarray(
            cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
    size = (image.shape[1] // divisor, image.shape[0] // divisor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
