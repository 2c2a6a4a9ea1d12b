# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Raw images as a rectified rig would have taken them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import CalibrationError
from ldn_perception.rectification.camera_calibration import CameraCalibration, PinholeCamera

_STEPS_PER_PX = 32  # of OpenCV's interpolation in fixed-point maps


class _Maps(NamedTuple):
    """Fixed-point maps of cv2.remap."""

    whole_px: NDArray[np.int16]  # (H, W, 2)
    fraction: NDArray[np.uint16]  # (H, W)


class Rectifier:
    """Rectifies images of the cameras of a rig.

    The maps of a camera are built when its calibration comes for the first time, or has changed.
    Not for several threads at once.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[CameraCalibration, _Maps | None]] = {}

    def rectify(
        self, image: NDArray[np.uint8], calibration: CameraCalibration,
    ) -> NDArray[np.uint8]:
        """Rectify an image.

        Args:
            image: (H, W) or (H, W, C) uint8, as the camera took it.
            calibration: The camera.

        Returns:
            Image of the same shape, interpolated linearly, 0 where the camera saw nothing; the
            very same array if the camera is rectified already.

        Raises:
            CalibrationError: The image has another size than the calibration.
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
    """Where in the raw image each pixel of the rectified one comes from.

    Source: OpenCV, Camera Calibration and 3D Reconstruction; Fisheye camera model.

    Returns:
        (H, W, 2) float32 column and row [px]; may lie outside of the image or be infinite.
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
    """Maps of a camera; None where they would move nothing by a step of the interpolation."""
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
