# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the two images of a pair are rectified, and the left one the left one."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.frames import StereoFrame

MAX_VERTICAL_PX = 1.0
"""Larger vertical residuals are worth a warning; matchers look for partners in one row."""

MIN_MATCHES = 50
"""Fewer matches that fit one epipolar geometry decide nothing.

Those of two different KITTI streets agree on some geometry by chance in 16 to 20 matches.
"""

_OUTLIER_PX = 2.0  # from the epipolar line; lenses bend it by more only where nothing is rectified
_FEATURES = 1000
_SEARCHED_PIXELS = 250_000  # images are shrunk to so many; features are found to subpixels
_SWAPPED_SHARE = 0.8

_ADVICE = {
    False: 'set input.rectify to true if the cameras send raw images, else calibrate them as a '
    'stereo pair',
    True: 'set input.rectify to false if the images come rectified, else check that each '
    'camera_info belongs to its camera and calibrate them as a stereo pair',
}
"""What to do against rows that differ, by whether the images were rectified here."""


@dataclass(frozen=True, slots=True)
class EpipolarResidual:
    """How matched points of a pair lie to each other.

    Attributes:
        num_matches: Matches that fit one epipolar geometry.
        vertical_px: Median distance of the rows of a match, >= 0 [px].
        reversed_share: Part of the matches not at infinity, in [0, 1], that lie behind it: to the
            right in the right image; 0 where too few are not at infinity.
    """

    num_matches: int
    vertical_px: float
    reversed_share: float

    def complaint(self, rectify: bool) -> str:
        """Say what is wrong with the pair and what to do; empty if nothing is.

        Args:
            rectify: Whether the images were rectified here, by `input.rectify`.
        """
        complaints = []
        if self.reversed_share > _SWAPPED_SHARE:
            complaints.append(
                f'the left and right images are swapped, {self.reversed_share:.0%} of the matched '
                'points lie farther right in the right image: swap the topics')
        if self.vertical_px > MAX_VERTICAL_PX:
            complaints.append(
                f'the images are not rectified, the rows of {self.num_matches} matched points '
                f'differ by {self.vertical_px:.1f} px in the median, more than '
                f'{MAX_VERTICAL_PX:g} px: {_ADVICE[rectify]}')
        return '; '.join(complaints)


def measure_epipolar_residual(frame: StereoFrame) -> EpipolarResidual | None:
    """Measure how far matched features are from lying on one row.

    SIFT features of both images that choose each other, freed from outliers by a fundamental
    matrix, which holds however the cameras are turned.

    Source: Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004.

    Args:
        frame: A pair.

    Returns:
        The residual; None where there is no right image, or there are too few matches to tell.
    """
    if frame.right is None:
        return None
    scale = min(1.0, math.sqrt(_SEARCHED_PIXELS / (frame.left.shape[0] * frame.left.shape[1])))
    left, right = _matched_points(_searched(frame.left, scale), _searched(frame.right, scale))
    if len(left) < MIN_MATCHES:
        return None
    left, right = left / scale, right / scale
    _, agrees = cv2.findFundamentalMat(left, right, cv2.FM_RANSAC, _OUTLIER_PX / scale, 0.99)
    if agrees is None or agrees.sum() < MIN_MATCHES:
        return None
    difference = (left - right)[agrees.ravel() > 0]
    return EpipolarResidual(
        num_matches=len(difference),
        vertical_px=float(np.median(np.abs(difference[:, 1]))),
        reversed_share=_reversed_share(difference[:, 0] - frame.geometry.disparity_offset),
    )


def _reversed_share(disparity: NDArray[np.float64]) -> float:
    reversed_, forward = int((disparity < -1).sum()), int((disparity > 1).sum())
    return reversed_ / (reversed_ + forward) if reversed_ + forward >= MIN_MATCHES / 2 else 0.0


def _searched(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


def _matched_points(
    left: NDArray[np.uint8], right: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (N, 2) of features of both images that are each other's most similar [px]."""
    detector = cv2.SIFT.create(_FEATURES)
    left_keys, left_descriptors = detector.detectAndCompute(left, None)
    right_keys, right_descriptors = detector.detectAndCompute(right, None)
    if not left_keys or not right_keys:
        return np.empty((0, 2)), np.empty((0, 2))
    matches = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(
        left_descriptors, right_descriptors)
    return (
        np.array([left_keys[match.queryIdx].pt for match in matches], np.float64).reshape(-1, 2),
        np.array([right_keys[match.trainIdx].pt for match in matches], np.float64).reshape(-1, 2),
    )
