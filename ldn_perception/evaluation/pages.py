# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages from templates, and embedded pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
import math
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, PackageLoader, StrictUndefined
import numpy as np

from ldn_perception.errors import ReplayError

_ENVIRONMENT = Environment(
    loader=PackageLoader('ldn_perception'), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=StrictUndefined)


def render_page(template: str, **values: Any) -> str:
    """Render a template of the folder `templates`; every value is escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)


def write_gallery(
    path: Path, title: str, table: str, sections: list[tuple[str, list[str]]], lead: str = '',
    note: str = '',
) -> None:
    """Write a page of scores and pictures, which depends only on the folder of pictures.

    Args:
        path: File to write.
        title: Heading.
        table: Scores as plain text.
        sections: Headings with file names in the folder `pictures` beside the page.
        lead: Paragraph before the table.
        note: Paragraph after the table.
    """
    path.write_text(render_page(
        'gallery.html.j2', title=title, table=table, sections=sections, lead=lead, note=note),
        encoding='utf-8')


MAX_WIDTH_PX = 1600
"""Width to which wider pictures are reduced, more than twice the width shown [px]."""

_QUALITIES = (85, 75, 65, 50)
_SHRINKS = (1.0, 0.75, 0.5, 0.35, 0.25)


def svg_uri(svg: bytes) -> str:
    """Encode a plot as a data URI."""
    return f'data:image/svg+xml;base64,{b64encode(svg).decode("ascii")}'


def picture_uris(paths: Sequence[Path], room: int) -> list[str]:
    """Encode pictures as data URIs within a total number of characters.

    Small JPEG files are embedded unchanged; others are reduced in quality first, then in size.

    Args:
        paths: JPEG or PNG files.
        room: Maximum number of characters for all pictures.

    Raises:
        ReplayError: A file is not a picture, or a picture does not fit into its share.
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
