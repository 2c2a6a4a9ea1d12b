# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Captioned pictures, side by side and on the disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ldn_perception.pictures import Picture

_BAR_PX = 22


def captioned(image: Picture, text: str) -> Picture:
    """An image below a dark bar with white text.

    Args:
        image: (H, W, 3) uint8 RGB.
        text: ASCII; what does not fit is cut off.

    Returns:
        (H + 22, W, 3) uint8 RGB.
    """
    bar = np.full((_BAR_PX, image.shape[1], 3), 32, np.uint8)
    cv2.putText(
        bar, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, image])


def write_picture(path: Path, picture: Picture) -> None:
    """Write a PNG.

    Args:
        path: File to write.
        picture: (H, W, 3) uint8 RGB.

    Raises:
        OSError: The file cannot be written.
    """
    _, data = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())
