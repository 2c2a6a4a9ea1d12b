# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of photographs without labels, all of them foreign."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ldn_perception.datasets.dataset_files import list_files, read_rgb
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.foreign_scene import FOREIGN_SCENE

LAYOUT = 'NAME.jpg, .png or .webp in it, or in a folder images'
_SUFFIXES = {'.jpg', '.jpeg', '.png', '.webp'}


class PlainImages:
    """Photographs of what no road camera sees.

    Args:
        root: Folder of the photographs.
        split: 'train', 'val' (every fifth by name) or 'all'.

    Raises:
        DatasetError: There is no such split, or no photograph.
    """

    def __init__(self, root: Path, split: str = 'all') -> None:
        self.taxonomy = FOREIGN_SCENE
        self._root = root
        pattern = 'images/*.*' if (root / 'images').is_dir() else '*.*'
        found = [path for path in list_files(root, pattern, LAYOUT)
                 if path.suffix.lower() in _SUFFIXES]
        if not found:
            raise DatasetError(
                f'dataset folder {root}', must_be=f'a folder with {LAYOUT}',
                got='no photograph', do='correct the path', reason='layout',
            )
        self._images = hold_out(f'folder {root}', found, split)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, all of class 0 and a negative.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged.
        """
        path = self._images[index]
        image = read_rgb(path)
        return LabelledImage(
            path.relative_to(self._root).with_suffix('').as_posix(), image,
            np.zeros(image.shape[:2], np.uint8), negative=True)
