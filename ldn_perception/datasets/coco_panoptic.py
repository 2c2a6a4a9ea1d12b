# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""COCO panoptic: everyday photographs with 133 classes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ldn_perception.datasets.dataset_files import list_files, partners, read_parsed, read_rgb
from ldn_perception.datasets.hold_out import hold_out
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.datasets.labelled_image import LabelledImage
from ldn_perception.errors import DatasetError
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.coco_panoptic import (
    CATEGORY_ID_TO_CLASS,
    COCO_PANOPTIC,
    COCO_THINGS,
)

LAYOUT = ('{train,val}2017/NAME.jpg, annotations/panoptic_{train,val}2017.json and '
          'annotations/panoptic_{train,val}2017/NAME.png')
SPLITS = ('train', 'val')
FOLDER_LAYOUT = 'images/NAME.jpg and, for those with labels, labels/NAME.png with category ids'

_NUM_THINGS = len(COCO_THINGS)
_VOID = (UNLABELLED, False)

Segments = dict[int, tuple[int, bool]]
"""Segment id -> class id, and whether it is one thing and not a crowd of them."""


class CocoPanoptic:
    """The public dataset; its things are instances.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'val'.

    Raises:
        DatasetError: There is no such split, or a file is missing or damaged.

    Source: Kirillov et al., Panoptic segmentation, CVPR 2019.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('COCO panoptic', split, SPLITS)
        self.taxonomy = COCO_PANOPTIC
        self._root = root
        list_files(root, f'{split}2017/*.jpg', LAYOUT)
        annotations = root / 'annotations' / f'panoptic_{split}2017.json'
        self._segments = _read_annotations(annotations)
        folder = annotations.with_suffix('')
        self._labels = partners(
            [folder / name for name in sorted(self._segments)], lambda path: path, LAYOUT)
        self._images = partners(
            self._labels, lambda path: root / f'{split}2017' / f'{path.stem}.jpg', LAYOUT)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, its classes and its things.

        Raises:
            IndexError: There is no such image.
            DatasetError: A file is missing or damaged, or has a segment that is not described.
        """
        image = self._images[index]
        labels, instances = _read_panoptic(
            self._labels[index], self._segments[self._labels[index].name])
        return LabelledImage(
            image.relative_to(self._root).with_suffix('').as_posix(), read_rgb(image), labels,
            instances=instances)


class CocoFolder(LabelledFiles):
    """Some photographs of COCO, with label images of category ids where there are any.

    Args:
        root: Folder of the photographs.
        split: 'train', 'val' (every fifth by name, with labels or without) or 'all'; photographs
            without labels are left out of each.

    Raises:
        DatasetError: There is no such split, or files are missing.
    """

    def __init__(self, root: Path, split: str) -> None:
        photographs = hold_out(
            'COCO photographs', list_files(root, 'images/*.*', FOLDER_LAYOUT), split)
        labelled = {path.stem: path for path in list_files(root, 'labels/*.png', FOLDER_LAYOUT)}
        images = [image for image in photographs if image.stem in labelled]
        super().__init__(
            COCO_PANOPTIC, root, images, [labelled[image.stem] for image in images],
            IndexedLabels(
                {int(category_id): int(CATEGORY_ID_TO_CLASS[category_id])
                 for category_id in np.flatnonzero(CATEGORY_ID_TO_CLASS != UNLABELLED)},
                {0}, 'category ids of COCO panoptic and 0 for unlabelled'))


def _read_annotations(path: Path) -> dict[str, Segments]:
    """Segments of every label image, by the name of its file."""
    def parse(text: str) -> dict[str, Segments]:
        return {annotation['file_name']: {
            int(segment['id']): _class_of(segment) for segment in annotation['segments_info']
        } for annotation in json.loads(text)['annotations']}

    return read_parsed(path, parse, f'panoptic annotations, in a layout of {LAYOUT}')


def _class_of(segment: dict[str, int]) -> tuple[int, bool]:
    class_id = int(CATEGORY_ID_TO_CLASS[segment['category_id']])
    return class_id, class_id < _NUM_THINGS and not segment.get('iscrowd', 0)


def _read_panoptic(
    path: Path, segments: Segments
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(H, W) class ids, and (H, W) numbers of the things from 1 on, 0 elsewhere."""
    digits = read_rgb(path).astype(np.int32)
    ids, places = np.unique(digits @ np.array((1, 256, 65536)), return_inverse=True)
    strange = [int(segment) for segment in ids if segment and segment not in segments]
    if strange:
        raise DatasetError(
            f'file {path}', must_be='made of the segments of its annotation',
            got=f'others, {strange[:5]}', do='unpack images and annotations of one release',
            reason='damaged',
        )
    described = [segments.get(int(segment), _VOID) for segment in ids]
    classes = np.array([class_id for class_id, _ in described], np.uint8)
    things = np.cumsum([thing for _, thing in described], dtype=np.int32)
    things[[not thing for _, thing in described]] = 0
    shape = digits.shape[:2]
    return classes[places].reshape(shape), things[places].reshape(shape)
