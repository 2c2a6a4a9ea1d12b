# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion of message-shaped objects to frames, by field name.

Works with rclpy and rosbags messages; imports neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from ldn_perception.errors import MessageError
from ldn_perception.stereo.rectification import CameraCalibration, PinholeCamera, Rectifier
from ldn_perception.types import CameraGeometry, DisparityMap, StereoFrame


@dataclass(frozen=True, slots=True)
class _Encoding:
    channels: int
    bytes_per_channel: int
    to_rgb: int | None = None  # OpenCV colour conversion of the 8 bit image
    rows: float = 1.0  # stored rows per image row


ENCODINGS = {
    'rgb8': _Encoding(3, 1),
    'bgr8': _Encoding(3, 1, cv2.COLOR_BGR2RGB),
    '8UC3': _Encoding(3, 1, cv2.COLOR_BGR2RGB),
    'rgba8': _Encoding(4, 1, cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, 1, cv2.COLOR_BGRA2RGB),
    'mono8': _Encoding(1, 1, cv2.COLOR_GRAY2RGB),
    '8UC1': _Encoding(1, 1, cv2.COLOR_GRAY2RGB),
    'rgb16': _Encoding(3, 2),
    'bgr16': _Encoding(3, 2, cv2.COLOR_BGR2RGB),
    'mono16': _Encoding(1, 2, cv2.COLOR_GRAY2RGB),
    '16UC1': _Encoding(1, 2, cv2.COLOR_GRAY2RGB),
    # OpenCV names a Bayer pattern by its second row, ROS by its first.
    'bayer_rggb8': _Encoding(1, 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': _Encoding(1, 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': _Encoding(1, 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': _Encoding(1, 1, cv2.COLOR_BayerGB2RGB),
    'bayer_rggb16': _Encoding(1, 2, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr16': _Encoding(1, 2, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg16': _Encoding(1, 2, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg16': _Encoding(1, 2, cv2.COLOR_BayerGB2RGB),
    'yuv422': _Encoding(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': _Encoding(2, 1, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': _Encoding(2, 1, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': _Encoding(2, 1, cv2.COLOR_YUV2RGB_YUY2),
    'nv12': _Encoding(1, 1, cv2.COLOR_YUV2RGB_NV12, rows=1.5),
    'nv21': _Encoding(1, 1, cv2.COLOR_YUV2RGB_NV21, rows=1.5),
}
"""Image encodings convertible to RGB, by their name in sensor_msgs/Image."""

_PLANES = {'mono8': np.uint8, '8UC1': np.uint8, '32FC1': np.float32}

MAX_MISALIGNMENT_PX = 0.5
"""Maximum misalignment of two projection matrices in the image: rows, horizontal scale."""


def stamp_ns(header: Any) -> int:
    """Stamp of a std_msgs/Header [ns]."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def pixels_of(message: Any, channels: int, dtype: Any, rows: int | None = None) -> NDArray[Any]:
    """View of the pixels of a sensor_msgs/Image.

    Args:
        message: Image-shaped object; step, data length and endianness are respected.
        channels: Values per pixel.
        dtype: Type of a value.
        rows: Stored rows; defaults to the image height. Planar encodings have more.

    Returns:
        (rows, W, channels) array in native byte order; shares the message's memory unless the
        bytes must be swapped.

    Raises:
        MessageError: The step is too small for the width, or the data has the wrong length.
    """
    rows = int(message.height) if rows is None else rows
    width, step, dtype = int(message.width), int(message.step), np.dtype(dtype)
    row_bytes = width * channels * dtype.itemsize
    if step < row_bytes:
        raise MessageError(
            f'step of a {width}x{message.height} {message.encoding} image',
            must_be=f'>= {row_bytes} bytes', got=step, do='fix the image publisher',
            reason='bad_image',
        )
    if rows == 0 or width == 0 or len(message.data) != step * rows:
        raise MessageError(
            f'data of a {width}x{message.height} {message.encoding} image',
            must_be=f'{step * rows} bytes (step x rows) and not empty',
            got=f'{len(message.data)} bytes', do='fix the image publisher', reason='bad_image',
        )
    stored = dtype.newbyteorder('>' if message.is_bigendian else '<')
    strides = (step, channels * dtype.itemsize, dtype.itemsize)
    pixels = np.ndarray((rows, width, channels), stored, message.data, strides=strides)
    native: NDArray[Any] = pixels if stored.isnative else pixels.astype(dtype)
    return native


def image_from_message(message: Any) -> NDArray[np.uint8]:
    """Convert an image message to RGB.

    Args:
        message: sensor_msgs/Image or sensor_msgs/CompressedImage. 16 bit channels keep their
            upper 8 bits. Encodings that are not in `ENCODINGS` are left to cv_bridge, where it
            is installed.

    Returns:
        (H, W, 3) uint8 RGB; a view of the message's memory if it already is RGB.

    Raises:
        MessageError: The encoding is unknown, or step, data or the compressed stream are invalid.
    """
    if hasattr(message, 'format'):
        return _decompressed(message)
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        return _converted_by_cv_bridge(message)
    rows = int(message.height * encoding.rows)
    if encoding.bytes_per_channel == 2:
        pixels = pixels_of(message, encoding.channels, np.uint16, rows)
        image = (pixels >> 8).astype(np.uint8)
    else:
        image = pixels_of(message, encoding.channels, np.uint8, rows)
    if encoding.to_rgb is None:
        return image
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), encoding.to_rgb), np.uint8)


def _converted_by_cv_bridge(message: Any) -> NDArray[np.uint8]:
    known = f'one of {", ".join(ENCODINGS)}'
    convert = 'convert it before this node, e.g. with image_proc'
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise MessageError(
            'image encoding', must_be=known, got=repr(message.encoding),
            do=f'{convert}, or install cv_bridge, which decodes more', reason='unknown_encoding',
        ) from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, 'rgb8'), np.uint8)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MessageError(
            'image encoding', must_be=f'{known}, or one that cv_bridge turns into rgb8',
            got=f'{message.encoding!r} ({error})', do=convert, reason='unknown_encoding',
        ) from error


def _decompressed(message: Any) -> NDArray[np.uint8]:
    stream = np.frombuffer(message.data, np.uint8)
    image = cv2.imdecode(stream, cv2.IMREAD_COLOR) if stream.size else None
    if image is None:
        raise MessageError(
            'compressed image', must_be='a JPEG or PNG stream',
            got=f'{stream.size} bytes of format {message.format!r}',
            do='check the compressed transport of the camera', reason='bad_image',
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def geometry_from_messages(left: Any, right: Any) -> CameraGeometry:
    """Camera geometry of a rectified rig from its two sensor_msgs/CameraInfo.

    Uses the projection matrices P, with region of interest and binning applied. Ignores
    distortion D and rotation R: image_proc and similar nodes publish rectified images with the
    camera_info of the raw ones.

    Args:
        left: CameraInfo of the left camera.
        right: CameraInfo of the right camera; its P[3] is the left P[3] minus fx * baseline. The
            left P[3] is 0 except in rigs of more than two cameras.

    Raises:
        MessageError: A camera is uncalibrated, a value is not finite, the baseline is zero or of
            the wrong sign, or corresponding points are not in the same row.
    """
    for side, info in (('left', left), ('right', right)):
        _check_projection(info, side)
    baseline = _checked_baseline(left, right)
    left_camera, right_camera = _rectified_camera(left), _rectified_camera(right)
    width, height = image_size(left)
    _check_alignment(left_camera, right_camera, width, height)
    return CameraGeometry(
        width=width,
        height=height,
        fx=left_camera.fx,
        fy=left_camera.fy,
        cx=left_camera.cx,
        cy=left_camera.cy,
        cx_right=right_camera.cx,
        baseline=baseline,
    )


def calibration_from_message(info: Any, side: str) -> CameraCalibration:
    """Rectification parameters of a camera from its sensor_msgs/CameraInfo.

    Args:
        info: CameraInfo; region of interest and binning are applied to K and P.
        side: 'left' or 'right', for error messages.

    Raises:
        CalibrationError: The calibration does not allow rectification.
    """
    width, height = image_size(info)
    return CameraCalibration(
        side=side,
        width=width,
        height=height,
        raw=_seen_camera(info, info.k[0], info.k[4], info.k[2], info.k[5]),
        distortion_model=str(info.distortion_model),
        distortion=tuple(float(value) for value in info.d),
        rotation=tuple(float(value) for value in info.r),
        rectified=_rectified_camera(info),
    )


def _check_projection(info: Any, side: str) -> None:
    if info.k[0] == 0:
        raise MessageError(
            f'K[0] of the {side} camera_info', must_be='the focal length', got=0,
            do='calibrate the camera; 0 means uncalibrated', reason='uncalibrated',
        )
    if not np.isfinite(info.k).all() or not np.isfinite(info.p).all():
        raise MessageError(
            f'K and P of the {side} camera_info', must_be='finite', got='NaN or infinity',
            do='calibrate the camera again', reason='bad_camera_info',
        )
    if info.p[0] <= 0 or info.p[5] <= 0:
        raise MessageError(
            f'P[0] and P[5] of the {side} camera_info', must_be='> 0',
            got=f'{info.p[0]} and {info.p[5]}', do='publish the rectified projection matrix',
            reason='bad_camera_info',
        )


def _checked_baseline(left: Any, right: Any) -> float:
    """Distance of the right camera from the left one, positive to the right [m]."""
    baseline, below = (
        float(left.p[shift]) / float(left.p[focal]) - float(right.p[shift]) / float(right.p[focal])
        for shift, focal in ((3, 0), (7, 5))
    )
    if abs(below) > abs(baseline):
        raise MessageError(
            'P[7] of the right camera_info', must_be='that of the left one, cameras side by side',
            got=f'{float(right.p[7]):g} and {float(left.p[7]):g}',
            do='turn the cameras or their images; one above the other is not supported',
            reason='bad_baseline',
        )
    if baseline <= 0:
        raise MessageError(
            'P[3] of the right camera_info',
            must_be=f'< {float(left.p[3]):g}, P[3] of the left one (by fx * baseline)',
            got=f'{float(right.p[3]):g}',
            do='swap the left and right topics' if baseline < 0
            else 'calibrate the cameras as a stereo pair', reason='bad_baseline',
        )
    return baseline


def _check_alignment(
    left: PinholeCamera, right: PinholeCamera, width: int, height: int,
) -> None:
    """Check rows and horizontal scale at the corners of the left image, for points at infinity."""
    rows_px = [
        (right.fy - left.fy) * (row - left.cy) / left.fy + right.cy - left.cy
        for row in (0, height - 1)
    ]
    stretch_px = [
        (right.fx - left.fx) * (column - left.cx) / left.fx for column in (0, width - 1)]
    if max(map(abs, (*rows_px, *stretch_px))) > MAX_MISALIGNMENT_PX:
        raise MessageError(
            'P of the left and right camera_info',
            must_be=f'equal in fx, fy and cy, to {MAX_MISALIGNMENT_PX:g} px at the border',
            got=f'fx {left.fx:g} and {right.fx:g}, fy {left.fy:g} and {right.fy:g}, '
            f'cy {left.cy:g} and {right.cy:g}',
            do='publish the projection matrices of one stereo calibration',
            reason='bad_camera_info',
        )


def image_size(info: Any) -> tuple[int, int]:
    """Width and height of the images described by a sensor_msgs/CameraInfo [px]."""
    return (
        int(info.roi.width or info.width) // max(1, info.binning_x),
        int(info.roi.height or info.height) // max(1, info.binning_y),
    )


def _rectified_camera(info: Any) -> PinholeCamera:
    return _seen_camera(info, info.p[0], info.p[5], info.p[2], info.p[6])


def _seen_camera(info: Any, fx: float, fy: float, cx: float, cy: float) -> PinholeCamera:
    """Apply region of interest, then binning, to a full-resolution camera."""
    binning_x, binning_y = max(1, info.binning_x), max(1, info.binning_y)
    return PinholeCamera(
        float(fx) / binning_x, float(fy) / binning_y,
        (float(cx) - info.roi.x_offset) / binning_x, (float(cy) - info.roi.y_offset) / binning_y)


def disparity_from_message(message: Any, geometry: CameraGeometry) -> DisparityMap:
    """Convert a stereo_msgs/DisparityImage; the inverse of `message_fields.disparity_fields`.

    The message's disparities are adjusted for the offset between the principal points; those of
    DisparityMap are not.

    Args:
        message: DisparityImage with a 32FC1 image; values outside [min, max] are unknown.
        geometry: Camera geometry of the pair.

    Raises:
        MessageError: The encoding is not 32FC1, the size is wrong or the range is empty.
    """
    low, high = float(message.min_disparity), float(message.max_disparity)
    if not low < high:
        raise MessageError(
            'disparity range of the external disparity', must_be='min < max',
            got=f'[{low}, {high}]', do='fix its publisher', reason='bad_disparity',
        )
    offset = geometry.disparity_offset
    values = plane_from_message('the external disparity', message)
    values += np.float32(offset)
    step = float(message.delta_d) or 1 / 16
    return DisparityMap(torch.from_numpy(values), low + offset, high + offset, step)


def plane_from_message(name: str, message: Any) -> NDArray[Any]:
    """Convert a single-channel message of a result or of ground truth.

    Args:
        name: Name of the image, for error messages.
        message: sensor_msgs/Image (mono8, 8UC1 or 32FC1) or stereo_msgs/DisparityImage (32FC1).

    Returns:
        (H, W) uint8 or float32. Disparities are the message's values, i.e. minus the offset
        cx - cx_right between the principal points [px]; NaN outside [min, max] and where infinite.

    Raises:
        MessageError: The encoding is not supported, or sizes are inconsistent.
    """
    is_disparity = hasattr(message, 'min_disparity')
    image = message.image if is_disparity else message
    allowed = ('32FC1',) if is_disparity else tuple(_PLANES)
    if image.encoding not in allowed:
        raise MessageError(
            f'encoding of {name}',
            must_be=allowed[0] if is_disparity else f'one of {", ".join(allowed)}',
            got=repr(image.encoding), do='fix its publisher', reason='unknown_encoding')
    values = pixels_of(image, 1, _PLANES[image.encoding])[..., 0]
    if not is_disparity:
        return values
    with np.errstate(invalid='ignore'):
        known = (values >= message.min_disparity) & (values <= message.max_disparity)
    return np.where(known & np.isfinite(values), values, np.float32(np.nan))


def frame_from_messages(
    left_image: Any,
    right_image: Any | None,
    left_info: Any,
    right_info: Any,
    external_disparity: Any | None = None,
    rectifier: Rectifier | None = None,
) -> StereoFrame:
    """Build a frame from one synchronised set of messages.

    Args:
        left_image: Image or CompressedImage; provides stamp and frame_id.
        right_image: Same for the right camera; None if an external disparity is given.
        left_info: CameraInfo of the left camera.
        right_info: CameraInfo of the right camera.
        external_disparity: DisparityImage of the pair, if disparity is computed elsewhere.
        rectifier: Rectifier of raw images; None if the images are already rectified.

    Raises:
        MessageError: A message is invalid.
        CalibrationError: Raw images cannot be rectified.
        FrameError: The messages are inconsistent.
    """
    geometry = geometry_from_messages(left_info, right_info)
    left = image_from_message(left_image)
    right = None if right_image is None else image_from_message(right_image)
    if rectifier is not None:
        left = rectifier.rectify(left, calibration_from_message(left_info, 'left'))
        if right is not None:
            right = rectifier.rectify(right, calibration_from_message(right_info, 'right'))
    return StereoFrame(
        stamp_ns=stamp_ns(left_image.header),
        frame_id=str(left_image.header.frame_id),
        left=left,
        right=right,
        geometry=geometry,
        external_disparity=None if external_disparity is None
        else disparity_from_message(external_disparity, geometry),
    )
