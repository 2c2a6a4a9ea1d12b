# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Portable float maps (.pfm), in which Middlebury keeps disparity."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.errors import DatasetError


def read_float_map(path: Path) -> NDArray[np.float32]:
    """Read a map of one channel, (H, W) float32, top row first.

    Source: the format's public description: 'Pf', width and height, and a scale that is negative
    for little-endian values, on a line each; then the rows, the bottom one first.

    Raises:
        DatasetError: The file is missing or not such a map.
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
