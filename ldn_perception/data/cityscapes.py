# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: 5000 stereo pairs from 50 cities, and its squeezed frames."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import (
    list_files,
    partners,
    read_parsed,
    read_plane,
    read_rgb,
)
from ldn_perception.data.labelled_images import (
    LABEL_IDS,
    IndexedLabels,
    LabelledFiles,
    LabelledImage,
    check_split,
)
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.driving import CITYSCAPES
from ldn_perception.types import CameraGeometry, StereoFrame

LAYOUT = ('leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png and '
          'gtFine/SPLIT/CITY/NAME_gtFine_labelIds.png (or gtCoarse); where there, disparity, '
          'camera and rightImg8bit of the same names')
SPLITS = {
    'train': ('train',),
    'val': ('val',),
    'test': ('test',),
    'train_extra': ('train_extra',),
    'trainval': ('train', 'val'),
    'train_2976': ('train', 'val'),
    'val_499': ('val',),
}
"""Folders by split. The labels of test are empty. train_2976 and val_499 equal train and val,
except that one image with a near train moves from val to train."""
MOVED = 'frankfurt_000001_014565'
ANNOTATIONS = {'fine': 'gtFine', 'coarse': 'gtCoarse'}

_FIRST_INSTANCE = 1000


class Cityscapes(LabelledFiles):
    """Left images of 2048×1024 px, with instances and apparent size if the files exist.

    Args:
        root: Folder of the dataset.
        split: One of SPLITS.
        annotation: 'fine' or 'coarse'; train_extra has coarse annotations only.

    Raises:
        DatasetError: The split or annotation is unknown, or files are missing.

    Source: Cordts et al., The Cityscapes Dataset, CVPR 2016; thesis section 4.7 for val_499 and
    train_2976, section 3.2 for apparent size from the published disparity.
    """

    def __init__(self, root: Path, split: str, annotation: str = 'fine') -> None:
        check_split('Cityscapes', split, SPLITS)
        if annotation not in ANNOTATIONS:
            raise DatasetError(
                'annotation of Cityscapes', must_be=f'one of {", ".join(ANNOTATIONS)}',
                got=annotation, do='ask for one of these',
            )
        images = [path for folder in SPLITS[split]
                  for path in list_files(root, f'leftImg8bit/{folder}/*/*.png', LAYOUT)
                  if _is_in(path, split)]
        ground_truth = ANNOTATIONS[annotation]
        super().__init__(CITYSCAPES, root, images, partners(
            images,
            lambda image: _partner(root, image, ground_truth, f'{ground_truth}_labelIds.png'),
            LAYOUT), LABEL_IDS)
        self._instances = f'{ground_truth}_instanceIds.png'
        self._ground_truth = ground_truth

    def stereo_frame(self, index: int) -> StereoFrame:
        """Read both images and the calibration of a pair.

        Raises:
            IndexError: The index is out of range.
            DatasetError: The right image or the calibration is missing or damaged.
        """
        image = self._images[index]
        left = read_rgb(image)
        return StereoFrame(
            0, 'left_camera', left,
            read_rgb(_partner(self._root, image, 'rightImg8bit', 'rightImg8bit.png')),
            _geometry(_partner(self._root, image, 'camera', 'camera.json'), left.shape[:2]),
        )

    def _beside(self, index: int) -> dict[str, Any]:
        image = self._images[index]
        instances = _partner(self._root, image, self._ground_truth, self._instances)
        disparity = _partner(self._root, image, 'disparity', 'disparity.png')
        found: dict[str, Any] = {}
        if instances.is_file():
            ids = read_plane(instances, np.uint16, 'instance ids').astype(np.int32)
            found['instances'] = np.where(ids < _FIRST_INSTANCE, 0, ids)
        if disparity.is_file():
            camera = _partner(self._root, image, 'camera', 'camera.json')
            found['pixels_per_metre'] = _pixels_per_metre(disparity, camera)
        return found


def _is_in(image: Path, split: str) -> bool:
    moved = image.name.startswith(MOVED)
    if split == 'train_2976':
        return moved or image.parent.parent.name == 'train'
    return not (moved and split == 'val_499')


def _partner(root: Path, image: Path, folder: str, ending: str) -> Path:
    """Path of another file kind for a left image."""
    city = image.parent
    name = image.name.removesuffix('leftImg8bit.png') + ending
    return root / folder / city.parent.name / city.name / name


def _geometry(camera: Path, shape: tuple[int, ...]) -> CameraGeometry:
    """Read a calibration; both rectified cameras share one principal point."""
    def parse(text: str) -> CameraGeometry:
        values = json.loads(text)
        fx, fy, u0, v0 = (float(values['intrinsic'][name]) for name in ('fx', 'fy', 'u0', 'v0'))
        baseline = float(values['extrinsic']['baseline'])
        return CameraGeometry(shape[1], shape[0], fx, fy, u0, v0, u0, baseline)

    return read_parsed(
        camera, parse, 'JSON with intrinsic fx, fy, u0, v0 and extrinsic baseline')


def _pixels_per_metre(disparity: Path, camera: Path) -> NDArray[np.float32]:
    """Apparent size of one metre [px/m]: disparity divided by baseline, NaN where unknown.

    File values are 256 d + 1, 0 = unknown. The images are rectified, so a point at infinity has
    disparity 0.
    """
    steps = read_plane(disparity, np.uint16, '256 times the disparity, plus 1, or 0')
    baseline = _geometry(camera, steps.shape).baseline
    values = (steps.astype(np.float32) - 1) / np.float32(256 * baseline)
    known: NDArray[np.float32] = np.where(steps == 0, np.float32(np.nan), values)
    return known


SQUEEZED_LAYOUT = '{train,val}/images/NAME.jpg (or .png) and {train,val}/labels/NAME.png'
SQUEEZED_SPLITS = ('train', 'val')
ASPECT_RATIO = 2.0
"""Width / height of a Cityscapes frame."""

TRAIN_IDS = IndexedLabels(
    {index: index for index in range(len(CITYSCAPES))}, {255},
    f'training ids 0 to {len(CITYSCAPES) - 1} of Cityscapes, or 255 for void')
"""Reader of training-id label images."""


class Cityscapes256(LabelledFiles):
    """Whole frames, resized to the original aspect ratio of 2:1.

    Colours are interpolated linearly, labels by nearest neighbour.

    Args:
        root: Folder that contains the split folders.
        split: One of SPLITS.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Cordts et al., The Cityscapes Dataset, CVPR 2016.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('cityscapes_256', split, SQUEEZED_SPLITS)
        images = list_files(root, f'{split}/images/*.*', SQUEEZED_LAYOUT)
        labels = partners(
            images, lambda image: root / split / 'labels' / f'{image.stem}.png', SQUEEZED_LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, TRAIN_IDS)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image and its labels, (H, 2 H).

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        sample = super().__getitem__(index)
        height = sample.image.shape[0]
        size = (round(ASPECT_RATIO * height), height)
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_LINEAR)
        labels = cv2.resize(sample.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return dataclasses.replace(
            sample, image=np.asarray(image, np.uint8), labels=np.asarray(labels, np.uint8))
