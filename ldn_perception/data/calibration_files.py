# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Readers of stereo calibration files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
import yaml

from ldn_perception.errors import BagError, FrameError
from ldn_perception.types import CameraGeometry

ACCEPTED = (
    'calib.json with fx, fy, cx, cy, baseline_m (cx_right or doffs, rate_hz), or a KITTI'
    ' calib.txt / calib_cam_to_cam.txt'
)

_JSON_KEYS = ('fx', 'fy', 'cx', 'cy', 'baseline_m')
_TEXT_NAMES = ('calib.txt', 'calib_cam_to_cam.txt')
_PROJECTION = re.compile(r'^(?:P|P_rect_0)(\d): *(.+)$')


@dataclass(frozen=True, slots=True)
class Calibration:
    """Content of a calibration file; the image size comes from the images.

    Attributes:
        geometry: Camera geometry of the rig.
        rate_hz: Rate of the pairs, if the file states it [Hz].
    """

    geometry: CameraGeometry
    rate_hz: float | None = None


def read_calibration(folder: Path, width: int, height: int, left_camera: int) -> Calibration:
    """Read the calibration of an image folder; calib.json has priority over KITTI text files.

    KITTI raw recordings keep calib_cam_to_cam.txt beside the drive, so the parent folder is
    searched too.

    Args:
        folder: Image folder.
        width: Image width [px].
        height: Image height [px].
        left_camera: KITTI number of the left camera: 0 grey, 2 colour. If the file has only two
            matrices, they are used as left and right.

    Raises:
        BagError: The calibration is missing, unreadable, incomplete or invalid.
    """
    path = next(_candidates(folder), None)
    if path is None:
        raise BagError(
            f'calibration in {folder}', must_be=ACCEPTED, got='no such file',
            do='put one beside the images',
        )
    return read_calibration_file(path, width, height, left_camera)


def read_calibration_file(
    path: Path, width: int, height: int, left_camera: int,
) -> Calibration:
    """Read a calibration file, as JSON if its suffix says so, else as KITTI text.

    Args:
        path: Calibration file.
        width: Image width [px].
        height: Image height [px].
        left_camera: See `read_calibration`.

    Raises:
        BagError: The file is missing, unreadable, incomplete or invalid.
    """
    try:
        if path.suffix == '.json':
            return _from_json(json.loads(path.read_text()), width, height)
        return _from_kitti(_projections(path.read_text()), width, height, left_camera)
    except (OSError, ValueError, KeyError, TypeError, FrameError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else str(error)
        raise BagError(
            f'calibration {path}', must_be=ACCEPTED, got=reason, do='correct the file',
        ) from error


def _candidates(folder: Path) -> Iterator[Path]:
    names = [folder / 'calib.json', *(folder / name for name in _TEXT_NAMES)]
    names.append(folder.resolve().parent / _TEXT_NAMES[1])
    return (path for path in names if path.is_file())


def _from_json(values: Mapping[str, Any], width: int, height: int) -> Calibration:
    fx, fy, cx, cy, baseline_m = (float(values[key]) for key in _JSON_KEYS)
    cx_right = float(values.get('cx_right', cx + float(values.get('doffs', 0.0))))
    geometry = CameraGeometry(width, height, fx, fy, cx, cy, cx_right, baseline_m)
    rate_hz = float(values['rate_hz']) if 'rate_hz' in values else None
    if rate_hz is not None and not 0 < rate_hz < float('inf'):
        raise ValueError(f'rate_hz {rate_hz}')
    return Calibration(geometry, rate_hz)


def _projections(text: str) -> dict[int, NDArray[np.float64]]:
    """Projection matrices by camera number; unnamed rows are numbered from 0."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [match.groups() for line in lines if (match := _PROJECTION.match(line))]
    numbered = named or [(str(number), line) for number, line in enumerate(lines)]
    return {
        int(number): np.array(values.split(), np.float64).reshape(3, 4)
        for number, values in numbered
    }


def _from_kitti(
    matrices: dict[int, NDArray[np.float64]], width: int, height: int, left_camera: int
) -> Calibration:
    if len(matrices) == 2:
        left, right = (matrices[number] for number in sorted(matrices))
    else:
        left, right = matrices[left_camera], matrices[left_camera + 1]
    fx = float(left[0, 0])
    baseline_m = float(left[0, 3] - right[0, 3]) / fx if fx else 0.0
    return Calibration(CameraGeometry(
        width, height, fx, float(left[1, 1]), float(left[0, 2]), float(left[1, 2]),
        float(right[0, 2]), baseline_m,
    ))


YAML_SUFFIXES = ('.yaml', '.yml')

CAMERA_INFO_FILES = (
    'camera_info as YAML: image_width, image_height, camera_matrix, distortion_coefficients, '
    'rectification_matrix and projection_matrix, or width, height, k, d, r and p')

# sensor_msgs/CameraInfo field: (key in camera_calibration files, number of values).
_MATRICES = {
    'k': ('camera_matrix', 9), 'd': ('distortion_coefficients', None),
    'r': ('rectification_matrix', 9), 'p': ('projection_matrix', 12),
}
_REGION = ('x_offset', 'y_offset', 'width', 'height')


def read_camera_infos(left: Path, right: Path | None = None) -> tuple[Any, Any]:
    """Read the camera_info of both cameras.

    Args:
        left: YAML of the left camera; without `right`, YAML of both cameras, under the keys left
            and right or as two documents.
        right: YAML of the right camera.

    Returns:
        Left and right object with the fields of sensor_msgs/CameraInfo, without header.

    Raises:
        BagError: A file is missing or not a camera_info, or there is only one camera.
    """
    if right is not None:
        return _read_one(left), _read_one(right)
    documents = _read_documents(left)
    if len(documents) == 1 and isinstance(documents[0], Mapping):
        documents = [documents[0][side] for side in ('left', 'right') if side in documents[0]]
    if len(documents) != 2:
        raise BagError(
            f'calibration {left}', must_be='camera_info of two cameras', got='one camera',
            do='give the YAML of the right camera too')
    return _info(documents[0], left), _info(documents[1], left)


def _read_one(path: Path) -> Any:
    documents = _read_documents(path)
    if len(documents) != 1:
        raise BagError(
            f'calibration {path}', must_be='camera_info of one camera',
            got=f'{len(documents)} documents', do='give one file for each camera')
    return _info(documents[0], path)


def _read_documents(path: Path) -> list[Any]:
    """Non-empty documents of a YAML file; `ros2 topic echo` ends with a separator."""
    try:
        with path.open() as file:
            documents = list(yaml.safe_load_all(file))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BagError(
            f'calibration {path}', must_be='a readable YAML file',
            got=' '.join(str(error).split()), do='check the path') from error
    return [document for document in documents if document is not None]


def _info(values: Any, path: Path) -> SimpleNamespace:
    try:
        region = values.get('roi', {})
        return SimpleNamespace(
            width=int(values['width'] if 'width' in values else values['image_width']),
            height=int(values['height'] if 'height' in values else values['image_height']),
            distortion_model=str(values.get('distortion_model', 'plumb_bob')),
            **{field: _numbers(values, field) for field in _MATRICES},
            binning_x=int(values.get('binning_x', 0)), binning_y=int(values.get('binning_y', 0)),
            roi=SimpleNamespace(**{key: int(region.get(key, 0)) for key in _REGION}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f'no {error}' if isinstance(error, KeyError) else str(error)
        raise BagError(
            f'calibration {path}',
            must_be=CAMERA_INFO_FILES, got=reason, do='correct the file') from error


def _numbers(values: Mapping[str, Any], field: str) -> list[float]:
    name, expected = _MATRICES[field]
    matrix = values[field] if field in values else values[name]
    numbers = [float(value) for value in (
        matrix['data'] if isinstance(matrix, Mapping) else matrix)]
    if expected is not None and len(numbers) != expected:
        raise ValueError(f'{len(numbers)} values of {name}')
    return numbers
