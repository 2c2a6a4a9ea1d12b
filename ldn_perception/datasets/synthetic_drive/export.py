# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic drive as a folder of images."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ldn_perception.bags.image_files import encode_disparity
from ldn_perception.datasets.synthetic_drive.synthetic_drive import (
    SyntheticDrive,
    SyntheticSample,
)
from ldn_perception.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDERS = ('left', 'right', 'disparity', 'labels', 'foreign')


def write_images(
    drive: SyntheticDrive, directory: str | Path,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a drive as PNG images with its calibration and poses.

    left/ right/ hold RGB, disparity/ 16 bit px * 256 with 0 for unknown, labels/ Cityscapes
    train ids, foreign/ 0 or 255; files are named 000000.png and so on. calib.json holds the
    camera, poses.txt one row of twelve numbers a pair: world from left optical frame.

    Args:
        drive: What to write.
        directory: Where to; made if it is not there.
        progress: Called with the number of pairs written and their total.

    Raises:
        DatasetError: A file cannot be written.
    """
    root = Path(directory)
    try:
        for folder in _FOLDERS:
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / 'calib.json').write_text(json.dumps(_calibration(drive), indent=2) + '\n')
        rows = []
        for index, sample in enumerate(drive):
            for folder, image in zip(_FOLDERS, _images(sample), strict=True):
                _write_png(root / folder / f'{index:06d}.png', image)
            rows.append(' '.join(f'{value:.9g}' for value in sample.pose[:3].ravel()))
            if progress is not None:
                progress(index + 1, len(drive))
        (root / 'poses.txt').write_text('\n'.join(rows) + '\n')
    except OSError as error:
        raise DatasetError(
            f'directory {root}', must_be='writable', got=error.strerror,
            do='choose another directory', reason='write',
        ) from error


def _images(sample: SyntheticSample) -> tuple[NDArray[np.generic], ...]:
    """Images in the order of the folders, channels as OpenCV writes them."""
    assert sample.frame.right is not None
    return (
        sample.frame.left[..., ::-1], sample.frame.right[..., ::-1],
        encode_disparity(sample.disparity), sample.labels, np.uint8(255) * sample.foreign,
    )


def _write_png(path: Path, image: NDArray[np.generic]) -> None:
    encoded = cv2.imencode('.png', np.ascontiguousarray(image))[1]
    path.write_bytes(encoded.tobytes())


def _calibration(drive: SyntheticDrive) -> dict[str, float]:
    geometry = drive.geometry
    return {
        'fx': geometry.fx, 'fy': geometry.fy, 'cx': geometry.cx, 'cy': geometry.cy,
        'baseline_m': geometry.baseline, 'width': geometry.width, 'height': geometry.height,
        'rate_hz': drive.rate_hz,
    }
