# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrated stereo cameras of the Python API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.calibration_files import (
    YAML_SUFFIXES,
    read_calibration_file,
    read_camera_infos,
)
from ldn_perception.data.messages import calibration_from_message, geometry_from_messages
from ldn_perception.errors import BagError, CalibrationError, FrameError
from ldn_perception.stereo.rectification import CameraCalibration, Rectifier
from ldn_perception.types import CameraGeometry

COLOR_CAMERA = 2
"""KITTI number of the left colour camera; the left grey camera is 0."""


@dataclass(frozen=True, slots=True)
class StereoCamera:
    """A rectified stereo camera.

    Attributes:
        fx: Horizontal focal length after rectification, > 0 [px].
        fy: Vertical focal length after rectification, > 0 [px].
        cx: Left principal point, horizontal [px].
        cy: Principal point, vertical [px].
        baseline_m: Distance between the optical centres, > 0 [m].
        cx_right: Right principal point, horizontal [px]; None if it equals cx.
        size: Width and height of the images [px]; None if the calibration does not contain it,
            which allows images of any size.
        raw: Calibrations of the left and right raw images; None if unknown.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    baseline_m: float
    cx_right: float | None = None
    size: tuple[int, int] | None = None
    raw: tuple[CameraCalibration, CameraCalibration] | None = None

    def __post_init__(self) -> None:
        self._geometry(*(self.size or (1, 1)))  # raises if a value is not finite or positive

    @classmethod
    def from_file(
        cls, path: str | Path, right: str | Path | None = None, *,
        left_camera: int = COLOR_CAMERA,
    ) -> StereoCamera:
        """Read a calibration file.

        Args:
            path: KITTI's calib.txt or calib_cam_to_cam.txt; calib.json with fx, fy, cx, cy,
                baseline_m (cx_right or doffs); camera_info of the left camera as YAML, as
                written by camera_calibration or `ros2 topic echo --once`; or YAML of both cameras
                under the keys left and right or as two documents.
            right: YAML of the right camera, if it is a separate file.
            left_camera: KITTI number of the left camera: 2 is colour, 0 is grey.

        Raises:
            BagError: The file is missing, unreadable or incomplete.
            MessageError: The camera_info do not describe a rectified stereo camera.
            CalibrationError: Raw images cannot be rectified with the camera_info.
        """
        path = Path(path)
        if path.suffix.lower() in YAML_SUFFIXES:
            return cls._from_camera_infos(path, None if right is None else Path(right))
        if right is not None:
            raise BagError(
                'calibration of the right camera', must_be='left out beside a text or JSON file, '
                'which holds both cameras', got=str(right), do='give camera_info as YAML for each')
        if not path.is_file():
            raise BagError(
                f'calibration {path}', must_be='an existing file',
                got='a folder' if path.is_dir() else 'nothing', do='check the path')
        # These files do not contain the size of the images.
        return cls.from_geometry(
            read_calibration_file(path, 1, 1, left_camera).geometry, knows_size=False)

    @classmethod
    def _from_camera_infos(cls, left_path: Path, right_path: Path | None) -> StereoCamera:
        left, right = read_camera_infos(left_path, right_path)
        camera = cls.from_geometry(geometry_from_messages(left, right))
        raw = calibration_from_message(left, 'left'), calibration_from_message(right, 'right')
        return cls(
            camera.fx, camera.fy, camera.cx, camera.cy, camera.baseline_m, camera.cx_right,
            camera.size, raw)

    @classmethod
    def from_geometry(cls, geometry: CameraGeometry, *, knows_size: bool = True) -> StereoCamera:
        """Build from the geometry of a frame.

        Args:
            geometry: Rectified stereo geometry.
            knows_size: True if it is valid only for images of its own size.
        """
        return cls(
            geometry.fx, geometry.fy, geometry.cx, geometry.cy, geometry.baseline,
            geometry.cx_right, (geometry.width, geometry.height) if knows_size else None)

    def geometry(self, width: int, height: int) -> CameraGeometry:
        """Geometry for images of a size.

        Args:
            width: Width of the images [px].
            height: Height of the images [px].

        Raises:
            FrameError: The camera was calibrated for another size.
        """
        if self.size is not None and self.size != (width, height):
            raise FrameError(
                'images of the camera', must_be='{}x{} as calibrated'.format(*self.size),
                got=f'{width}x{height}', do='give the calibration of these images, or the images '
                'at the calibrated size', reason='size_mismatch')
        return self._geometry(width, height)

    def _geometry(self, width: int, height: int) -> CameraGeometry:
        cx_right = self.cx if self.cx_right is None else self.cx_right
        return CameraGeometry(
            width, height, self.fx, self.fy, self.cx, self.cy, cx_right, self.baseline_m)

    def rectify(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Rectify the raw images of a pair.

        Args:
            left: (H, W) or (H, W, 3) uint8, raw image of the left camera.
            right: Raw image of the right camera, likewise.

        Returns:
            Left and right image of the same shapes, 0 outside the view of the cameras.

        Raises:
            CalibrationError: The camera is not from camera_info, or the images have another size.
        """
        if self.raw is None:
            raise CalibrationError(
                'camera for raw images', must_be='read from camera_info with K, D, R and P',
                got='a calibration of rectified images', do='give camera_info as YAML, or '
                'rectified images')
        rectifier = Rectifier()
        return rectifier.rectify(left, self.raw[0]), rectifier.rectify(right, self.raw[1])
