# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Middlebury stereo: indoor scenes with disparity measured by structured light."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import list_files, read_indices, read_parsed, read_rgb
from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import DatasetError
from ldn_perception.types import CameraGeometry, StereoFrame

LAYOUT = ('a folder for each scene: im0.png, im1.png, disp0.pfm, calib.txt (2014); im2.png, '
          'im6.png, disp2.png (2003 at quarter size); or left.png, right.png and disp_x4.png '
          'or disp.npz')
LEFT_IMAGES = ('im0.png', 'im2.png', 'left.png')
RIGHT_IMAGES = {'im0.png': 'im1.png', 'im2.png': 'im6.png', 'left.png': 'right.png'}

_STEPS_PER_PIXEL = 4
_VISIBLE = 255


class Middlebury:
    """Scenes of the releases 2003 and 2014; the files of a scene decide how it is read.

    Args:
        root: Folder of the scenes, or of one scene.

    Raises:
        DatasetError: There are no scenes.

    Source: Scharstein and Szeliski, High-accuracy stereo depth maps using structured light,
    CVPR 2003; Scharstein et al., High-resolution stereo datasets, GCPR 2014.
    """

    def __init__(self, root: Path) -> None:
        lefts = [path for path in list_files(root, '**/*.png', LAYOUT)
                 if path.name in LEFT_IMAGES]
        if not lefts:
            raise DatasetError(
                f'dataset folder {root}', must_be=f'a folder with {LAYOUT}',
                got='no left image', do='unpack the scenes there', reason='layout',
            )
        self._lefts = lefts

    def __len__(self) -> int:
        return len(self._lefts)

    def __getitem__(self, index: int) -> StereoPair:
        """Scene at an index of [0, len), in the order of the folder names.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        path = self._lefts[index]
        left = read_rgb(path)
        right = read_rgb(path.with_name(RIGHT_IMAGES[path.name]))
        geometry = scene_geometry(path.parent, left.shape[:2])
        frame = StereoFrame(index, 'left_camera', left, right, geometry)
        return StereoPair(
            path.parent.name, frame, _disparity(path.parent), _matched(path.parent))


def scene_geometry(scene: Path, shape: tuple[int, ...]) -> CameraGeometry:
    """Camera geometry of a scene.

    Release 2003 is not calibrated: its scenes get fx = width and a baseline of 1 m. Their
    disparities are valid, their depths are not. A scene with disp.npz and no calib.txt is
    Motorcycle of 2014 at a quarter of its size, as distributed by scikit-image.

    Args:
        scene: Folder of the scene.
        shape: Image shape, (height, width) [px].

    Raises:
        DatasetError: calib.txt is damaged.
    """
    height, width = shape
    if (scene / 'calib.txt').is_file():
        return read_parsed(scene / 'calib.txt', lambda text: _parse_calibration(text, shape),
                           'a calibration with cam0, cam1, doffs and baseline')
    if (scene / 'disp.npz').is_file():
        return CameraGeometry(
            width, height, 994.978, 994.978, 311.193, 254.877, 311.193 + 31.086, 0.193001)
    center = (width - 1) / 2
    return CameraGeometry(
        width, height, width, width, center, (height - 1) / 2, center, baseline=1.0)


def _parse_calibration(text: str, shape: tuple[int, ...]) -> CameraGeometry:
    """Parse lines NAME=value; cam0 is a matrix [fx 0 cx; 0 fy cy; 0 0 1], baseline is in mm."""
    values = dict(line.split('=', 1) for line in text.splitlines() if '=' in line)
    numbers = values['cam0'].translate(str.maketrans('[];', '   ')).split()
    fx, _, cx, _, fy, cy = map(float, numbers[:6])
    return CameraGeometry(
        shape[1], shape[0], fx, fy, cx, cy, cx + float(values['doffs']),
        float(values['baseline']) / 1000)


def _disparity(scene: Path) -> NDArray[np.float32]:
    """Disparity, (H, W) float32 [px], NaN where the file has 0 (2003) or infinity (2014)."""
    if (scene / 'disp0.pfm').is_file():
        values = read_float_map(scene / 'disp0.pfm')
    elif (scene / 'disp.npz').is_file():
        values = _read_archive(scene / 'disp.npz')
    else:
        known = scene / 'disp_x4.png'
        path = known if known.is_file() else scene / 'disp2.png'
        steps = read_indices(path, f'{_STEPS_PER_PIXEL} times the disparity, 0 = unknown')
        values = np.where(steps == 0, np.inf, steps.astype(np.float32) / _STEPS_PER_PIXEL)
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def _read_archive(path: Path) -> NDArray[np.float32]:
    try:
        with np.load(path) as archive:
            return np.asarray(archive['arr_0'], np.float32)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DatasetError(
            f'file {path}', must_be='an archive of one array of disparities', got=str(error),
            do='download it again', reason='damaged',
        ) from error


def _matched(scene: Path) -> NDArray[np.bool_] | None:
    """Pixels visible in the right image, from mask0nocc.png; None if the file is missing."""
    path = scene / 'mask0nocc.png'
    if not path.is_file():
        return None
    return np.asarray(read_indices(path, '255 = visible in both images') == _VISIBLE)


def read_float_map(path: Path) -> NDArray[np.float32]:
    """Read a single-channel PFM map, (H, W) float32, top row first.

    Source: public format description: 'Pf', then width and height, then a scale that is negative
    for little-endian values, each on a line; then the rows, bottom row first.

    Raises:
        DatasetError: The file is missing or of another format.
    """
    try:
        kind, size, scale, values = path.read_bytes().split(b'\n', 3)
        width, height = map(int, size.split())
        order = '<f4' if float(scale) < 0 else '>f4'
        if kind.strip() != b'Pf':
            raise ValueError(f'kind {kind[:10]!r}')
        rows = np.frombuffer(values, order).reshape(height, width)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f'file {path}', must_be='a portable float map of one channel', got=str(error),
            do='unpack or download it again', reason='damaged',
        ) from error
    return rows[::-1].astype(np.float32)
