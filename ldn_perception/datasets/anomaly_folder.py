# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A plain folder of images with marked foreign objects."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.anomaly_images import AnomalyImages
from ldn_perception.datasets.dataset_files import list_files, partners

LAYOUT = 'images/NAME.* and masks/NAME.png with 0 for known, 1 for foreign, 255 for ignored'


class AnomalyFolder(AnomalyImages):
    """Every image needs a mask.

    Args:
        root: Folder of the set.

    Raises:
        DatasetError: Files are missing.
    """

    def __init__(self, root: Path) -> None:
        images = list_files(root, 'images/*.*', LAYOUT)
        masks = partners(images, lambda image: root / 'masks' / f'{image.stem}.png', LAYOUT)
        super().__init__(root, images, masks)
