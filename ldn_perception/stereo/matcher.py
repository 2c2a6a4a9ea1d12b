# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matcher protocol, input checks, and the external and reduced matchers."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from ldn_perception.errors import StereoError
from ldn_perception.types import CameraGeometry, DisparityMap, StereoFrame


class Matcher(Protocol):
    """Computes the disparity of a stereo pair."""

    @property
    def gives_confidence(self) -> bool:
        """True if its disparities have a confidence."""
        ...

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Compute the disparity of the left image at its size, NaN where unknown.

        If an image has a single colour everything is unknown, and the map's `problem` names it.

        Args:
            frame: A rectified pair; column x of the left image corresponds to column
                x - disparity of the right one.

        Raises:
            StereoError: The pair lacks an input of this matcher, or is too small for it.
        """
        ...


_SPARSE = 16


def take_pair(
    frame: StereoFrame, min_disparity: int, max_disparity: int,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return both images, contiguous.

    Args:
        frame: The pair.
        min_disparity: Smallest disparity searched [px].
        max_disparity: End of the search range, exclusive [px].

    Raises:
        StereoError: There is no right image, or the image is not wider than the search range.
    """
    if frame.right is None:
        raise StereoError(
            'frame for a stereo matcher', must_be='one with a right image', got='none',
            do='set stereo.matcher to external or publish the right image',
            reason='no_right_image',
        )
    width, reach = frame.geometry.width, max(max_disparity, -min_disparity)
    if width <= reach:
        raise StereoError(
            'width of the images to match', must_be=f'> the farthest search, {reach} px',
            got=f'{width} px',
            do='bring stereo.min_disparity and stereo.max_disparity nearer to 0',
            reason='too_narrow',
        )
    return np.ascontiguousarray(frame.left), np.ascontiguousarray(frame.right)


def blank_side(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> str:
    """Name the image that has a single colour and cannot be matched; empty if none."""
    for side, image in (('left', left), ('right', right)):
        if is_blank(image):
            return f'the {side} image has a single colour'
    return ''


def is_blank(image: NDArray[np.uint8]) -> bool:
    """Return True if an image has a single colour."""
    color = image[0, 0]
    return bool((image[::_SPARSE, ::_SPARSE] == color).all() and (image == color).all())


def unknown_disparity(
    shape: tuple[int, int], min_disparity: float, max_disparity: float, step: float,
    problem: str, device: torch.device | None = None, *, gives_confidence: bool,
) -> DisparityMap:
    """Build the result for a pair that cannot be matched: NaN everywhere, confidence 0.

    Args:
        shape: (height, width) of the image [px].
        min_disparity: Smallest disparity of the matcher [px].
        max_disparity: Largest disparity of the matcher [px].
        step: Disparity resolution [px].
        problem: Reason.
        device: Device of the matcher's disparities; None for the host.
        gives_confidence: True if the matcher provides confidences.
    """
    return DisparityMap(
        _filled(shape, np.nan, device), min_disparity, max_disparity, step,
        _filled(shape, 0.0, device) if gives_confidence else None, problem)


def _filled(shape: tuple[int, int], value: float, device: torch.device | None) -> torch.Tensor:
    # torch.full would start OpenMP threads for this thread, see StereoSegmentationPipeline.
    return torch.from_numpy(np.full(shape, value, np.float32)).to(device)


class ExternalDisparity:
    """Returns the disparity received with the pair."""

    gives_confidence = False

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Return the disparity received with the frame.

        Raises:
            StereoError: The frame has no disparity.
        """
        if frame.external_disparity is None:
            raise StereoError(
                'frame for the external matcher', must_be='one with an external disparity',
                got='none', do='set stereo.matcher to sgbm or publish the disparity',
                reason='no_disparity',
            )
        return frame.external_disparity


class ReducedMatcher:
    """Runs another matcher on a downscaled pair and returns its disparities at full size.

    A pixel of the small pair is the mean of divisor x divisor pixels, so its disparity is exactly
    1 / divisor of theirs, without an offset. All of them get this disparity times divisor. Unknown
    pixels of the small map stay unknown, and no values are interpolated.

    Args:
        matcher: Matcher for the small pair; its search range is 1 / divisor of the full one.
        divisor: Downscale factor, >= 1.
    """

    def __init__(self, matcher: Matcher, divisor: int) -> None:
        self._matcher = matcher
        self._divisor = divisor

    @property
    def gives_confidence(self) -> bool:
        """True if its disparities have a confidence."""
        return self._matcher.gives_confidence

    def match(self, frame: StereoFrame) -> DisparityMap:
        """Compute the disparity of the left image; range and step are scaled by the divisor.

        Raises:
            StereoError: The matcher does not accept the small pair.
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
    """Downscale a pair to 1 / divisor of its size, with the matching geometry.

    Sides that are not multiples of the divisor are first padded by border replication.

    Args:
        frame: A pair with a right image.
        divisor: Downscale factor, >= 1.

    Raises:
        StereoError: There is no right image.
    """
    left, right = (_reduced(image, divisor) for image in take_pair(frame, 0, 0))
    rig = frame.geometry
    # Pixel coordinates refer to centres: the first small pixel is at (divisor - 1) / 2.
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
