# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration images, from which the value ranges of an int8 network are measured."""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import InferenceError
from ldn_perception.inference.deployed_network import ImageSize

INT8 = 'int8'
"""Name of the precision that needs calibration images."""

FEWEST_IMAGES = 8
MOST_IMAGES = 48

_SUFFIXES = {'.jpg', '.jpeg', '.png', '.webp'}
_OPTION = 'inference.calibration_images'


class CalibrationImages:
    """Images of a folder; if there are many, an even selection of the sorted names.

    Args:
        folder: Folder with at least FEWEST_IMAGES images; at most MOST_IMAGES are used.

    Attributes:
        folder: Folder of the images.
        digest: 16 hexadecimal digits that identify the images.

    Raises:
        InferenceError: The folder does not exist or has too few images, or one cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found = sorted(
            path for path in folder.glob('*') if path.suffix.lower() in _SUFFIXES)
        if len(found) < FEWEST_IMAGES:
            raise InferenceError(
                _OPTION, must_be=f'a folder with {FEWEST_IMAGES} or more .jpg, .png or .webp',
                got=f'{folder} with {len(found)}' if folder.is_dir() else f'{folder}, no folder',
                do='save images of your camera there, from different places')
        chosen = np.linspace(0, len(found) - 1, min(len(found), MOST_IMAGES)).round().astype(int)
        self._files = [found[index] for index in chosen]
        digest = hashlib.sha256()
        for path in self._files:
            digest.update(hashlib.sha256(_bytes_of(path)).digest())
        self.digest = digest.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, size: ImageSize) -> Iterator[NDArray[np.uint8]]:
        """Yield the images resized to one size, each (1, H, W, 3) uint8 RGB.

        Raises:
            InferenceError: An image cannot be read.
        """
        for path in self._files:
            image = cv2.imdecode(np.frombuffer(_bytes_of(path), np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                raise _unreadable(path, 'other bytes')
            resized = cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA)
            yield np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)[None]


def calibration_for(
    precision: str, folder: str, *, uses_disparity: bool,
) -> CalibrationImages | None:
    """Load the calibration images that a precision needs.

    Args:
        precision: Name of a precision; only INT8 needs images.
        folder: Folder of the images.
        uses_disparity: True if the network needs more inputs than the image.

    Raises:
        InferenceError: The images are missing, or the network cannot be calibrated with images.
    """
    if precision != INT8:
        return None
    if uses_disparity:
        raise InferenceError(
            'inference.precision', must_be='float32 or bfloat16 for a network that selects '
            'scales by disparity', got=precision, do='choose auto')
    if not folder:
        raise InferenceError(
            _OPTION, must_be=f'the folder of {FEWEST_IMAGES} or more images for precision {INT8}',
            got='nothing', do='save images of your camera in one and name it')
    return CalibrationImages(Path(folder).expanduser())


def _bytes_of(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if not content:
        raise _unreadable(path, 'no bytes')
    return content


def _unreadable(path: Path, got: str | None) -> InferenceError:
    return InferenceError(
        f'calibration image {path}', must_be='a readable image', got=got,
        do='save it again, or delete it')
