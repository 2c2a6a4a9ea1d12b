# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations of rectified rigs, in the files that come with image folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
from pathlib import Path
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import BagError, FrameError
from ldn_perception.frames import CameraGeometry

ACCEPTED = (
    'calib.json with fx, fy, cx, cy, baseline_m (cx_right or doffs, rate_hz), or a KITTI'
    ' calib.txt / calib_cam_to_cam.txt'
)

_JSON_KEYS = ('fx', 'fy', 'cx', 'cy', 'baseline_m')
_TEXT_NAMES = ('calib.txt', 'calib_cam_to_cam.txt')
_PROJECTION = re.compile(r'^(?:P|P_rect_0)(\d): *(.+)$')


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a calibration file says; the image size comes from the images.

    Attributes:
        geometry: The rig.
        rate_hz: Rate the pairs were taken at, where the file tells [Hz].
    """

    geometry: CameraGeometry
    rate_hz: float | None = None


def read_calibration(folder: Path, width: int, height: int, left_camera: int) -> Calibration:
    """Read the calibration of a folder, calib.json before KITTI's text files.

    KITTI's raw recordings keep calib_cam_to_cam.txt beside the drive, so the parent folder is
    searched too.

    Args:
        folder: The image folder.
        width: Image width [px].
        height: Image height [px].
        left_camera: KITTI number of the left camera: 0 grey, 2 colour. Where the file has only
            two matrices they are taken as left and right.

    Raises:
        BagError: There is no calibration, or it is unreadable, incomplete or impossible.
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
    """Read a calibration file: JSON by its suffix, else KITTI's text.

    Args:
        path: The file.
        width: Image width [px].
        height: Image height [px].
        left_camera: See `read_calibration`.

    Raises:
        BagError: The file is missing, unreadable, incomplete or impossible.
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
