# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Score maps of a whole set, on the disk until they are pooled one kind at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ldn_perception.evaluation.pixel_truth import PixelTruth


class ScoreFiles:
    """Score maps and ground truth in a temporary folder, which goes when the context ends.

    They take four bytes a pixel and score there, and two for the ground truth. Memory holds one
    score of the set at a time, four bytes a pixel, while `OodScores` pools it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix='ldn_scores_')
        self._images = 0

    def __enter__(self) -> ScoreFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __len__(self) -> int:
        return self._images

    def add(self, scores: Mapping[str, NDArray[np.float32]], truth: PixelTruth) -> None:
        """Write the maps of one image.

        Args:
            scores: Name of a score -> (H, W) float32; the same names for every image.
            truth: Of the same size.
        """
        for name, values in scores.items():
            np.save(self._path(self._images, name), values)
        np.save(self._path(self._images, 'foreign'), truth.foreign)
        np.save(self._path(self._images, 'valid'), truth.foreign | truth.known)
        self._images += 1

    def maps(
        self, name: str
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]:
        """Read one score of every image, in their order.

        Yields:
            (H, W) float32 scores, (H, W) bool foreign, (H, W) bool valid.
        """
        for number in range(self._images):
            yield (np.load(self._path(number, name)), np.load(self._path(number, 'foreign')),
                   np.load(self._path(number, 'valid')))

    def _path(self, number: int, name: str) -> Path:
        return Path(self._folder.name, f'{number}.{name}.npy')
