# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Fishyscapes Lost & Found: new masks for 100 images of Lost and Found."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.anomaly_images import AnomalyImages
from ldn_perception.datasets.dataset_files import list_files, partners

LAYOUT = ('fishyscapes_lostandfound/NUMBER_NAME_labels.png and, from Lost and Found, '
          'leftImg8bit/{train,test}/SCENE/NAME_leftImg8bit.png')


class FishyscapesLostAndFound(AnomalyImages):
    """The public validation set.

    Args:
        root: Folder that holds the folders of the masks and of the images.

    Raises:
        DatasetError: Files are missing.

    Source: Blum et al., The Fishyscapes benchmark, IJCV 2021, on images of Pinggera et al.,
    Lost and Found, IROS 2016.
    """

    def __init__(self, root: Path) -> None:
        masks = list_files(root, 'fishyscapes_lostandfound/*_labels.png', LAYOUT)
        images = {path.name: path for path in list_files(
            root, 'leftImg8bit/**/*_leftImg8bit.png', LAYOUT)}

        def image_of(mask: Path) -> Path:
            name = mask.name.partition('_')[2].replace('_labels', '_leftImg8bit')
            return images.get(name, root / 'leftImg8bit' / name)

        super().__init__(root, partners(masks, image_of, LAYOUT), masks)
