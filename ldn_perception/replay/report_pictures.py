# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Images as parts of a page, no larger than there is room for."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
import math
from pathlib import Path

import cv2
import numpy as np

from ldn_perception.errors import ReplayError

MAX_WIDTH_PX = 1600
"""Wider pictures are reduced: more than twice what the page shows."""

_QUALITIES = (85, 75, 65, 50)
_SHRINKS = (1.0, 0.75, 0.5, 0.35, 0.25)


def svg_uri(svg: bytes) -> str:
    """Plot as the address of an image."""
    return f'data:image/svg+xml;base64,{b64encode(svg).decode("ascii")}'


def picture_uris(paths: Sequence[Path], room: int) -> list[str]:
    """Pictures as addresses of images that together stay within a number of characters.

    Files that are small enough go in as they are; others lose quality first and size then.

    Args:
        paths: JPEG or PNG files.
        room: Characters for all of them.

    Raises:
        ReplayError: A file is no picture, or the room is too small for any of them.
    """
    share = room // max(1, len(paths))
    return [_picture_uri(path, share) for path in paths]


def _picture_uri(path: Path, room: int) -> str:
    stream = path.read_bytes()
    picture = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_COLOR) if stream else None
    if picture is None:
        raise ReplayError(
            f'picture {path}', must_be='a JPEG', got=f'{len(stream)} other bytes',
            do='remove it and replay again into this folder')
    head = 'data:image/jpeg;base64,'
    limit = max(0, room - len(head)) * 3 // 4 - 3
    if path.suffix == '.jpg' and picture.shape[1] <= MAX_WIDTH_PX and len(stream) <= limit:
        return head + b64encode(stream).decode('ascii')
    base = min(1.0, MAX_WIDTH_PX / picture.shape[1])
    for shrink in _SHRINKS:
        small = _resized(picture, base * shrink)
        for quality in _QUALITIES:
            _, encoded = cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if encoded.size <= limit:
                return head + b64encode(encoded.tobytes()).decode('ascii')
    raise ReplayError(
        'room for the pictures of a report', must_be=f'more than {room} characters each',
        got=f'{path.name} does not fit at a quarter of its size',
        do='compare fewer configurations at once')


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    if scale >= 1.0:
        return picture
    height, width = (max(1, math.floor(scale * side)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))
