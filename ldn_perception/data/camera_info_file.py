# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Camera infos of a stereo rig from YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from ldn_perception.errors import BagError

YAML_SUFFIXES = ('.yaml', '.yml')

ACCEPTED = (
    'camera_info as YAML: image_width, image_height, camera_matrix, distortion_coefficients, '
    'rectification_matrix and projection_matrix, or width, height, k, d, r and p')

# Field of sensor_msgs/CameraInfo: its name in files of camera_calibration, number of values.
_MATRICES = {
    'k': ('camera_matrix', 9), 'd': ('distortion_coefficients', None),
    'r': ('rectification_matrix', 9), 'p': ('projection_matrix', 12),
}
_REGION = ('x_offset', 'y_offset', 'width', 'height')


def read_camera_infos(left: Path, right: Path | None = None) -> tuple[Any, Any]:
    """Read the camera_info of both cameras.

    Args:
        left: YAML of the left camera; without `right` that of both, under the keys left and
            right or as two documents.
        right: YAML of the right camera.

    Returns:
        Objects with the fields of sensor_msgs/CameraInfo but its header.

    Raises:
        BagError: A file is missing or no camera_info, or there is one camera only.
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
    """Documents of a YAML file but for empty ones: `ros2 topic echo` ends with a separator."""
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
            f'calibration {path}', must_be=ACCEPTED, got=reason, do='correct the file') from error


def _numbers(values: Mapping[str, Any], field: str) -> list[float]:
    name, expected = _MATRICES[field]
    matrix = values[field] if field in values else values[name]
    numbers = [float(value) for value in (
        matrix['data'] if isinstance(matrix, Mapping) else matrix)]
    if expected is not None and len(numbers) != expected:
        raise ValueError(f'{len(numbers)} values of {name}')
    return numbers
