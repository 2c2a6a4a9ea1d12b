# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rectification of raw images, and an epipolar check of rectified pairs."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import CalibrationError
from ldn_perception.types import StereoFrame

COEFFICIENTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
"""Distortion models of sensor_msgs/CameraInfo and the allowed numbers of coefficients.

Twelve and fourteen add OpenCV's thin prism and tilt terms to the rational polynomial, as some
drivers do.
"""

_ROTATION_TOLERANCE = 1e-3  # on R Rᵀ; calibration files round to a few digits


class PinholeCamera(NamedTuple):
    """Pinhole camera intrinsics, in pixels of the image.

    Attributes:
        fx: Horizontal focal length [px].
        fy: Vertical focal length [px].
        cx: Column of the principal point [px].
        cy: Row of the principal point [px].
    """

    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, slots=True)
class CameraCalibration:
    """Calibration of one camera: raw and rectified intrinsics for images of the same size.

    Attributes:
        side: 'left' or 'right', for messages.
        width: Width of the image [px].
        height: Height of the image [px].
        raw: Intrinsics of the raw camera: K.
        distortion_model: A key of COEFFICIENTS; any string if there are no coefficients.
        distortion: D, in OpenCV's order; empty for none.
        rotation: R in row-major order, from the raw to the rectified camera axes.
        rectified: Intrinsics of the rectified camera: the left 3x3 of P.

    Raises:
        CalibrationError: The model is unknown, a number is not finite, the coefficients do not fit
            the model, a focal length is not positive, or R is not a rotation.
    """

    side: str
    width: int
    height: int
    raw: PinholeCamera
    distortion_model: str
    distortion: tuple[float, ...]
    rotation: tuple[float, ...]
    rectified: PinholeCamera

    def __post_init__(self) -> None:
        self._check_finite()
        for name, camera in (('K', self.raw), ('P', self.rectified)):
            if min(camera.fx, camera.fy) <= 0:
                raise CalibrationError(
                    f'focal lengths in {name} of the {self.side} camera_info', must_be='> 0',
                    got=f'{camera.fx:g} and {camera.fy:g}', do='calibrate the camera',
                    reason='bad_camera_info',
                )
        if self.distortion:
            self._check_distortion()
        self._check_rotation()

    def _check_finite(self) -> None:
        for name, values in (
            ('K', self.raw), ('D', self.distortion), ('R', self.rotation), ('P', self.rectified),
        ):
            if not all(map(math.isfinite, values)):
                raise CalibrationError(
                    f'{name} of the {self.side} camera_info', must_be='finite',
                    got='NaN or infinity', do='calibrate the camera again',
                    reason='bad_camera_info',
                )

    def _check_distortion(self) -> None:
        allowed = COEFFICIENTS.get(self.distortion_model)
        if allowed is None:
            raise CalibrationError(
                f'distortion_model of the {self.side} camera_info',
                must_be=f'one of {", ".join(COEFFICIENTS)}', got=repr(self.distortion_model),
                do='calibrate the camera with one of them, or rectify its images before this node '
                'and set input.rectify to false', reason='bad_camera_info',
            )
        if len(self.distortion) not in allowed:
            numbers = ' or '.join(map(str, allowed))
            raise CalibrationError(
                f'D of the {self.side} camera_info',
                must_be=f'{numbers} coefficients of {self.distortion_model}',
                got=len(self.distortion), do='correct distortion_model or D',
                reason='bad_camera_info',
            )

    def _check_rotation(self) -> None:
        rotation = np.array(self.rotation).reshape(3, 3)
        error = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
        if error > _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
            raise CalibrationError(
                f'R of the {self.side} camera_info', must_be='a rotation',
                got=f'({", ".join(f"{value:g}" for value in self.rotation)})',
                do='calibrate the cameras as a stereo pair; the identity turns nothing',
                reason='bad_camera_info',
            )


_STEPS_PER_PX = 32  # OpenCV's interpolation steps in fixed-point maps


class _Maps(NamedTuple):
    """Fixed-point maps of cv2.remap."""

    whole_px: NDArray[np.int16]  # (H, W, 2)
    fraction: NDArray[np.uint16]  # (H, W)


class Rectifier:
    """Rectifies images of the cameras of a rig.

    The maps of a camera are built on first use and whenever its calibration changes. Not
    thread-safe.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[CameraCalibration, _Maps | None]] = {}

    def rectify(
        self, image: NDArray[np.uint8], calibration: CameraCalibration,
    ) -> NDArray[np.uint8]:
        """Rectify an image.

        Args:
            image: (H, W) or (H, W, C) uint8 raw image.
            calibration: Calibration of its camera.

        Returns:
            Image of the same shape and dtype, interpolated linearly, 0 outside the raw image. The
            input array itself if the camera is already rectified.

        Raises:
            CalibrationError: The image size differs from the calibration.
        """
        expected = calibration.height, calibration.width
        if image.shape[:2] != expected:
            raise CalibrationError(
                f'raw {calibration.side} image',
                must_be=f'{expected} as camera_info says (size, region of interest, binning)',
                got=image.shape[:2], do='publish the camera_info that belongs to the images',
                reason='size_mismatch',
            )
        maps = self._maps(calibration)
        if maps is None:
            return image
        return np.asarray(
            cv2.remap(image, maps.whole_px, maps.fraction, cv2.INTER_LINEAR), np.uint8)

    def _maps(self, calibration: CameraCalibration) -> _Maps | None:
        known = self._known.get(calibration.side)
        if known is None or known[0] != calibration:
            known = calibration, _build_maps(calibration)
            self._known[calibration.side] = known
        return known[1]


def source_positions(calibration: CameraCalibration) -> NDArray[np.float32]:
    """Position in the raw image of each pixel of the rectified image.

    Source: OpenCV, Camera Calibration and 3D Reconstruction; Fisheye camera model.

    Returns:
        (H, W, 2) float32 column and row [px]; may lie outside the image or be infinite.
    """
    build = (
        cv2.fisheye.initUndistortRectifyMap if calibration.distortion_model == 'equidistant'
        else cv2.initUndistortRectifyMap
    )
    positions = build(
        _matrix(calibration.raw), np.array(calibration.distortion or (0.0,) * 4),
        np.array(calibration.rotation).reshape(3, 3), _matrix(calibration.rectified),
        (calibration.width, calibration.height), cv2.CV_32FC1)
    return np.stack(positions, axis=-1)


def _build_maps(calibration: CameraCalibration) -> _Maps | None:
    """Build the maps of a camera; None if no pixel moves by an interpolation step."""
    positions = source_positions(calibration)
    rows, columns = np.indices(positions.shape[:2], np.float32)
    moved_px = np.abs(positions - np.stack([columns, rows], axis=-1)).max()
    if moved_px < 0.5 / _STEPS_PER_PX:
        return None
    whole_px, fraction = cv2.convertMaps(
        positions[..., 0].copy(), positions[..., 1].copy(), cv2.CV_16SC2)
    return _Maps(np.asarray(whole_px, np.int16), np.asarray(fraction, np.uint16))


def _matrix(camera: PinholeCamera) -> NDArray[np.float64]:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


MAX_VERTICAL_PX = 1.0
"""Warning limit for vertical residuals [px]; matchers search in a single row."""

MIN_MATCHES = 50
"""Minimum number of matches consistent with one epipolar geometry.

Images of two different KITTI streets have 16 to 20 such matches by chance.
"""

_OUTLIER_PX = 2.0  # distance to the epipolar line; larger distortion only in unrectified images
_FEATURES = 1000
_SEARCHED_PIXELS = 250_000  # images are reduced to this size; features have subpixel positions
_SWAPPED_SHARE = 0.8

_ADVICE = {
    False: 'set input.rectify to true if the cameras send raw images, else calibrate them as a '
    'stereo pair',
    True: 'set input.rectify to false if the images come rectified, else check that each '
    'camera_info belongs to its camera and calibrate them as a stereo pair',
}
"""Remedies for differing rows, by input.rectify."""


@dataclass(frozen=True, slots=True)
class EpipolarResidual:
    """Residuals of the matched points of a pair.

    Attributes:
        num_matches: Matches that fit one epipolar geometry.
        vertical_px: Median row difference of a match, >= 0 [px].
        reversed_share: Share in [0, 1] of the matches not at infinity that have negative
            disparity: farther right in the right image. 0 if too few are not at infinity.
    """

    num_matches: int
    vertical_px: float
    reversed_share: float

    def complaint(self, rectify: bool) -> str:
        """Describe the problem of the pair and its remedy; empty if there is none.

        Args:
            rectify: True if the images were rectified here, by `input.rectify`.
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
    """Measure the row difference of matched features.

    Mutually nearest SIFT features of both images, with outliers removed by a fundamental matrix,
    which is valid for any orientation of the cameras.

    Source: Lowe, Distinctive Image Features from Scale-Invariant Keypoints, IJCV 2004.

    Args:
        frame: A stereo pair.

    Returns:
        The residual; None without a right image or with too few matches.
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
    """Positions (N, 2) of mutually nearest features in both images [px]."""
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
