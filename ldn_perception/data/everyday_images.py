# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled photographs: COCO, MSRC v2, Pascal VOC, ScanNet, and unlabelled photographs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.dataset_files import (
    hold_out,
    list_files,
    partners,
    read_indices,
    read_list,
    read_parsed,
    read_rgb,
)
from ldn_perception.data.labelled_images import (
    IndexedLabels,
    LabelledFiles,
    LabelledImage,
    check_split,
)
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.everyday import (
    CATEGORY_ID_TO_CLASS,
    COCO_PANOPTIC,
    COCO_THINGS,
    FOREIGN_SCENE,
    MSRC_V2,
    NYU40_IDS,
    PASCAL_VOC,
    SCANNET,
)
from ldn_perception.types import UNLABELLED

COCO_LAYOUT = (
    '{train,val}2017/NAME.jpg, annotations/panoptic_{train,val}2017.json and '
    'annotations/panoptic_{train,val}2017/NAME.png')
COCO_SPLITS = ('train', 'val')
FOLDER_LAYOUT = 'images/NAME.jpg and, for those with labels, labels/NAME.png with category ids'

_NUM_THINGS = len(COCO_THINGS)
_VOID = (UNLABELLED, False)

Segments = dict[int, tuple[int, bool]]
"""Segments by id: class id, and True if the segment is a single thing, not a crowd."""


class CocoPanoptic:
    """COCO panoptic; things have instances.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'val'.

    Raises:
        DatasetError: The split is unknown, or a file is missing or damaged.

    Source: Kirillov et al., Panoptic segmentation, CVPR 2019.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('COCO panoptic', split, COCO_SPLITS)
        self.taxonomy = COCO_PANOPTIC
        self._root = root
        list_files(root, f'{split}2017/*.jpg', COCO_LAYOUT)
        annotations = root / 'annotations' / f'panoptic_{split}2017.json'
        self._segments = _read_annotations(annotations)
        folder = annotations.with_suffix('')
        self._labels = partners(
            [folder / name for name in sorted(self._segments)], lambda path: path, COCO_LAYOUT)
        self._images = partners(
            self._labels, lambda path: root / f'{split}2017' / f'{path.stem}.jpg', COCO_LAYOUT)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image, its classes and its instances.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged, or a segment is not described.
        """
        image = self._images[index]
        labels, instances = _read_panoptic(
            self._labels[index], self._segments[self._labels[index].name])
        return LabelledImage(
            image.relative_to(self._root).with_suffix('').as_posix(), read_rgb(image), labels,
            instances=instances)


class CocoFolder(LabelledFiles):
    """COCO photographs with optional label images of category ids.

    Args:
        root: Folder of the photographs.
        split: 'train', 'val' (every fifth by name, counted before unlabelled ones are removed) or
            'all'. Photographs without labels are left out of every split.

    Raises:
        DatasetError: The split is unknown, or files are missing.
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
    """Segments of every label image, by file name."""
    def parse(text: str) -> dict[str, Segments]:
        return {annotation['file_name']: {
            int(segment['id']): _class_of(segment) for segment in annotation['segments_info']
        } for annotation in json.loads(text)['annotations']}

    return read_parsed(path, parse, f'panoptic annotations, in a layout of {COCO_LAYOUT}')


def _class_of(segment: dict[str, int]) -> tuple[int, bool]:
    class_id = int(CATEGORY_ID_TO_CLASS[segment['category_id']])
    return class_id, class_id < _NUM_THINGS and not segment.get('iscrowd', 0)


def _read_panoptic(
    path: Path, segments: Segments
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(H, W) class ids, and (H, W) instance numbers from 1, 0 elsewhere."""
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


MSRC_LAYOUT = 'images/NAME.jpg and labels/NAME.png with the class number or palette index'


class MsrcV2(LabelledFiles):
    """Photographs of about 320×213 px with 23 classes.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth by name) or 'all'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Shotton et al., TextonBoost, ECCV 2006. The original set contains street photographs of
    the driving domain: leave them out of a foreign domain.
    """

    def __init__(self, root: Path, split: str) -> None:
        images = hold_out('MSRC v2', list_files(root, 'images/*.*', MSRC_LAYOUT), split)
        labels = partners(images, lambda image: root / 'labels' / f'{image.stem}.png', MSRC_LAYOUT)
        super().__init__(MSRC_V2, root, images, labels, IndexedLabels(
            {index + 1: index for index in range(len(MSRC_V2))}, {0},
            f'class numbers 1 to {len(MSRC_V2)} and 0 for void'))


VOC_LAYOUT = (
    'JPEGImages/NAME.jpg, SegmentationClass/NAME.png and '
    'ImageSets/Segmentation/{train,val,trainval}.txt; '
    'SegmentationObject/NAME.png where there are instances; for trainaug also '
    'SegmentationClassAug/NAME.png and ImageSets/Segmentation/trainaug.txt')
VOC_SPLITS = {
    'train': 'SegmentationClass',
    'val': 'SegmentationClass',
    'trainval': 'SegmentationClass',
    'trainaug': 'SegmentationClassAug',
}
"""Label folder by split. trainaug has 10 582 images, none of them from val."""


class PascalVoc(LabelledFiles):
    """Photographs of about 500×375 px with 21 classes, and instances if the files exist.

    Args:
        root: Folder VOC2012.
        split: One of SPLITS.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Everingham et al., The Pascal visual object classes challenge, IJCV 2010; annotations
    of trainaug by Hariharan et al., Semantic contours from inverse detectors, ICCV 2011, as PNG.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('Pascal VOC', split, VOC_SPLITS)
        list_files(root, 'JPEGImages/*.jpg', VOC_LAYOUT)
        names = read_list(root / 'ImageSets' / 'Segmentation' / f'{split}.txt', VOC_LAYOUT)
        images = partners(
            [root / 'JPEGImages' / f'{Path(name).stem}.jpg' for name in names],
            lambda path: path, VOC_LAYOUT)
        labels = partners(
            images, lambda path: root / VOC_SPLITS[split] / f'{path.stem}.png', VOC_LAYOUT)
        super().__init__(PASCAL_VOC, root, images, labels, IndexedLabels(
            {index: index for index in range(len(PASCAL_VOC))}, {UNLABELLED},
            f'palette indices 0 to {len(PASCAL_VOC) - 1} of the classes and 255 for void'))

    def _beside(self, index: int) -> dict[str, Any]:
        objects = self._root / 'SegmentationObject' / f'{self._images[index].stem}.png'
        if not objects.is_file():
            return {}
        numbers = read_indices(objects, 'object numbers and 255 for void').astype(np.int32)
        return {'instances': np.where(numbers == UNLABELLED, 0, numbers)}


SCANNET_LAYOUT = (
    '[scannet_frames_25k/]SCENE/color/NAME.jpg, [scannet_frames_25k/]SCENE/label/NAME.png '
    'and, for the splits train and val, scannetv2_{train,val}.txt with a scene a line')
SCANNET_SPLITS = ('train', 'val', 'all')

_NUM_NYU40 = 40


class ScanNet(LabelledFiles):
    """About every hundredth video frame, with 20 classes.

    The colour camera and the depth camera differ in resolution: a frame of another size than its
    labels is resized to the labels.

    Args:
        root: Folder of the scenes, or its parent in the layout of the Robust Vision Challenge; the
            split lists are in either folder.
        split: 'train', 'val' or 'all'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Dai et al., ScanNet, CVPR 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('ScanNet', split, SCANNET_SPLITS)
        nested = root / 'scannet_frames_25k'
        scenes = nested if nested.is_dir() else root
        images = list_files(scenes, 'scene*/color/*.jpg', SCANNET_LAYOUT)
        if split != 'all':
            wanted = set(read_list(_list_of(split, (scenes, root)), SCANNET_LAYOUT))
            images = [image for image in images if image.parents[1].name in wanted]
        if not images:
            raise DatasetError(
                f'dataset folder {scenes}', must_be=f'with scenes of the split {split}',
                got='none of them', do='unpack the scenes, or ask for the split all',
                reason='layout',
            )
        labels = partners(
            images, lambda image: image.parents[1] / 'label' / f'{image.stem}.png', SCANNET_LAYOUT)
        super().__init__(SCANNET, scenes, images, labels, IndexedLabels(
            {nyu40_id: index for index, nyu40_id in enumerate(NYU40_IDS)},
            set(range(_NUM_NYU40 + 1)) - set(NYU40_IDS), f'NYU40 ids 0 to {_NUM_NYU40}'))


    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image and its labels.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        path = self._images[index]
        image, labels = read_rgb(path), self._read_labels(self._labels[index])
        height, width = labels.shape
        if image.shape[:2] != labels.shape:
            image = np.asarray(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        name = path.relative_to(self._root).with_suffix('').as_posix()
        return LabelledImage(name, image, labels)


def _list_of(split: str, folders: tuple[Path, Path]) -> Path:
    """Path of a split list in one of the folders; in the last folder if it is missing."""
    found = [folder / f'scannetv2_{split}.txt' for folder in folders]
    return next((path for path in found if path.is_file()), found[-1])


PLAIN_LAYOUT = 'NAME.jpg, .png or .webp in it, or in a folder images'
_SUFFIXES = {'.jpg', '.jpeg', '.png', '.webp'}


class PlainImages:
    """Unlabelled photographs outside the driving domain.

    Args:
        root: Folder of the photographs.
        split: 'train', 'val' (every fifth by name) or 'all'.

    Raises:
        DatasetError: The split is unknown, or there are no photographs.
    """

    def __init__(self, root: Path, split: str = 'all') -> None:
        self.taxonomy = FOREIGN_SCENE
        self._root = root
        pattern = 'images/*.*' if (root / 'images').is_dir() else '*.*'
        found = [path for path in list_files(root, pattern, PLAIN_LAYOUT)
                 if path.suffix.lower() in _SUFFIXES]
        if not found:
            raise DatasetError(
                f'dataset folder {root}', must_be=f'a folder with {PLAIN_LAYOUT}',
                got='no photograph', do='correct the path', reason='layout',
            )
        self._images = hold_out(f'folder {root}', found, split)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> LabelledImage:
        """Read an image; all pixels have class 0, and it is marked negative.

        Raises:
            IndexError: The index is out of range.
            DatasetError: A file is missing or damaged.
        """
        path = self._images[index]
        image = read_rgb(path)
        return LabelledImage(
            path.relative_to(self._root).with_suffix('').as_posix(), image,
            np.zeros(image.shape[:2], np.uint8), negative=True)
