# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The few pairs of a replay that are worth a look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ldn_perception.pictures import Picture

KINDS = ('best', 'worst', 'foreign')
"""By pixel accuracy, the highest and the lowest, and by mean foreign probability."""

NUM_KEPT = 3
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class NotablePicture:
    """One picture in the running.

    Attributes:
        kind: One of KINDS.
        value: Pixel accuracy or mean foreign probability, in [0, 1].
        index: Number of the pair in the replay.
        jpeg: The picture.
    """

    kind: str
    value: float
    index: int
    jpeg: bytes

    @property
    def order(self) -> tuple[float, int]:
        """What comes first is kept; of equals the earlier pair."""
        return (self.value if self.kind == 'worst' else -self.value), self.index


class NotablePictures:
    """Three pictures of each kind, whatever the length of the replay.

    Args:
        kept: Those to begin with.
    """

    def __init__(self, kept: list[NotablePicture] | None = None) -> None:
        self.kept = kept or []

    def offer(
        self, index: int, pixel_accuracy: float | None, foreign: float,
        draw: Callable[[], Picture],
    ) -> None:
        """Consider a pair; it is drawn only if it is among the first of a kind.

        Args:
            index: Number of the pair in the replay.
            pixel_accuracy: In [0, 1]; None without ground truth.
            foreign: Mean foreign probability; a pair with 0 is not foreign.
            draw: Gives the picture, (H, W, 3) uint8 RGB.
        """
        values = {'best': pixel_accuracy, 'worst': pixel_accuracy, 'foreign': foreign or None}
        jpeg = b''
        for kind, value in values.items():
            if value is None or not self._enters(NotablePicture(kind, value, index, b'')):
                continue
            jpeg = jpeg or encode_jpeg(draw())
            self.add(NotablePicture(kind, value, index, jpeg))

    def _enters(self, picture: NotablePicture) -> bool:
        rivals = self.of(picture.kind)
        return len(rivals) < NUM_KEPT or picture.order < rivals[-1].order

    def add(self, picture: NotablePicture) -> None:
        """Put a picture in its place; the last one of its kind may go for it."""
        others = [entry for entry in self.kept if entry.kind != picture.kind]
        ranked = sorted([*self.of(picture.kind), picture], key=lambda entry: entry.order)
        self.kept = others + ranked[:NUM_KEPT]

    def of(self, kind: str) -> list[NotablePicture]:
        """Pictures of a kind, the first one first."""
        return sorted(
            (entry for entry in self.kept if entry.kind == kind), key=lambda entry: entry.order)

    def write(self, folder: Path) -> None:
        """Write best_1.jpg to foreign_3.jpg, as far as there are so many."""
        folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for rank, picture in enumerate(self.of(kind), start=1):
                (folder / f'{kind}_{rank}.jpg').write_bytes(picture.jpeg)

    def to_json(self) -> list[dict[str, object]]:
        """File, value and pair of every picture."""
        return [
            {'file': f'{kind}_{rank}.jpg', 'kind': kind, 'value': picture.value,
             'index': picture.index}
            for kind in KINDS for rank, picture in enumerate(self.of(kind), start=1)
        ]


def encode_jpeg(picture: Picture) -> bytes:
    """Compress a (H, W, 3) uint8 RGB picture."""
    stored = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, stream = cv2.imencode('.jpg', stored, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(np.asarray(stream))
