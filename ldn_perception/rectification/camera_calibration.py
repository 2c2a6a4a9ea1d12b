# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What rectification has to know of one camera."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import NamedTuple

import numpy as np

from ldn_perception.errors import CalibrationError

COEFFICIENTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
"""Distortion models of sensor_msgs/CameraInfo and the numbers of coefficients each can have.

Twelve and fourteen add OpenCV's thin prism and tilt to the rational polynomial, as drivers do.
"""

_ROTATION_TOLERANCE = 1e-3  # of R Rᵀ; calibration files round to a few digits


class PinholeCamera(NamedTuple):
    """A pinhole camera, all in pixels of its image.

    Attributes:
        fx: Horizontal focal length.
        fy: Vertical focal length.
        cx: Column of the principal point.
        cy: Row of the principal point.
    """

    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, slots=True)
class CameraCalibration:
    """How the raw image of one camera becomes a rectified one of the same size.

    Attributes:
        side: 'left' or 'right', for messages.
        width: Width of the image [px].
        height: Height of the image [px].
        raw: The camera as it is, but for its distortion: K.
        distortion_model: A key of COEFFICIENTS; anything where there are no coefficients.
        distortion: D, in OpenCV's order; empty for none.
        rotation: R row by row, from the axes of the camera to those of the rectified one.
        rectified: The camera as it shall be: the left 3x3 of P.

    Raises:
        CalibrationError: The model is unknown, a number is not finite, the coefficients do not fit
            the model, a focal length is not positive, or R is no rotation.
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
