# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labelled driving images: BDD100K, CamVid, IDD Lite, LabelMeFacade, Mapillary, WildDash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ldn_perception.data.dataset_files import (
    hold_out,
    list_files,
    partners,
    read_parsed,
    read_plane,
)
from ldn_perception.data.labelled_images import (
    LABEL_IDS,
    TRAIN_IDS,
    IndexedLabels,
    LabelledFiles,
    LabelReader,
    check_split,
)
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.driving import (
    CAMVID,
    CITYSCAPES,
    IDD_LITE,
    LABEL_ME_FACADE,
    MAPILLARY,
)

BDD100K_LAYOUT = (
    'images/10k/{train,val}/NAME.jpg and labels/sem_seg/masks/{train,val}/NAME.png, or '
    'seg/images/{train,val}/NAME.jpg and seg/labels/{train,val}/NAME_train_id.png')
BDD100K_SPLITS = ('train', 'val')
"""Splits with public labels; those of the 2000 test images are not public."""


class Bdd100k(LabelledFiles):
    """Images of 1280×720 px with the 19 classes of Cityscapes.

    Args:
        root: Folder bdd100k.
        split: 'train' or 'val'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Yu et al., BDD100K, CVPR 2020.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('BDD100K', split, BDD100K_SPLITS)
        if (root / 'seg').is_dir():
            images = list_files(root, f'seg/images/{split}/*.jpg', BDD100K_LAYOUT)
            folder, ending = root / 'seg' / 'labels' / split, '_train_id.png'
        else:
            images = list_files(root, f'images/10k/{split}/*.jpg', BDD100K_LAYOUT)
            folder, ending = root / 'labels' / 'sem_seg' / 'masks' / split, '.png'
        labels = partners(images, lambda image: folder / f'{image.stem}{ending}', BDD100K_LAYOUT)
        super().__init__(CITYSCAPES, root, images, labels, TRAIN_IDS)


CAMVID_LAYOUT = (
    '{train,val,test}/images/NAME.png (or .jpg) and {train,val,test}/labels/NAME.png, '
    'or {train,val,test}/NAME.png and {train,val,test}annot/NAME.png')
CAMVID_SPLITS = {
    'train': ('train',),
    'val': ('val',),
    'test': ('test',),
    'trainval': ('train', 'val'),
}
"""Folders by split. val is one clip close to train: report results on test."""


class CamVid(LabelledFiles):
    """Frames of 480×360 px with 11 classes.

    Args:
        root: Folder that contains the split folders.
        split: One of SPLITS.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Brostow et al., Segmentation and recognition using structure from motion point clouds,
    ECCV 2008; split of Badrinarayanan et al., SegNet, PAMI 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('CamVid', split, CAMVID_SPLITS)
        images, labels = [], []
        for part in CAMVID_SPLITS[split]:
            found, their_labels = _part_files(root, part)
            images += found
            labels += their_labels
        void = len(CAMVID)
        super().__init__(CAMVID, root, images, labels, IndexedLabels(
            {index: index for index in range(void)}, {void, 255},
            f'ids 0 to {void - 1} of the classes and {void} or 255 for void'))


def _part_files(root: Path, part: str) -> tuple[list[Path], list[Path]]:
    """Images of a folder and their label images."""
    nested = not (root / f'{part}annot').is_dir()
    images = list_files(root, f'{part}/images/*.*' if nested else f'{part}/*.*', CAMVID_LAYOUT)
    folder = root / part / 'labels' if nested else root / f'{part}annot'
    return images, partners(images, lambda image: folder / f'{image.stem}.png', CAMVID_LAYOUT)


IDD_LAYOUT = (
    'leftImg8bit/{train,val}/DRIVE/NAME_image.jpg and gtFine/{train,val}/DRIVE/'
    'NAME_label.png, or images/NAME.jpg (or .png) and labels/NAME.png')
PUBLISHED_SPLITS = ('train', 'val')

_IDD_LABELS = IndexedLabels(
    {index: index for index in range(len(IDD_LITE))}, {255},
    f'ids 0 to {len(IDD_LITE) - 1} of the groups, or 255 for void')


class IddLite(LabelledFiles):
    """Frames of 320×227 px.

    Args:
        root: Folder of the dataset as published, or a folder with one folder each of images and
            labels.
        split: 'train' or 'val' of the published folders; for a single folder 'train', 'val' (every
            fifth image) or 'all'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Mishra et al., Semantic Segmentation Datasets for Resource Constrained Training,
    NCVPRIPG 2019.
    """

    def __init__(self, root: Path, split: str) -> None:
        if (root / 'leftImg8bit').is_dir():
            check_split('IDD Lite', split, PUBLISHED_SPLITS)
            images = list_files(root, f'leftImg8bit/{split}/*/*_image.*', IDD_LAYOUT)
            labels = partners(
                images, lambda image: _published_labels(root, split, image), IDD_LAYOUT)
        else:
            images = hold_out('IDD Lite', list_files(root, 'images/*.*', IDD_LAYOUT), split)
            labels = partners(
                images, lambda image: root / 'labels' / f'{image.stem}.png', IDD_LAYOUT)
        super().__init__(IDD_LITE, root, images, labels, _IDD_LABELS)


def _published_labels(root: Path, split: str, image: Path) -> Path:
    name = image.stem.removesuffix('_image')
    return root / 'gtFine' / split / image.parent.name / f'{name}_label.png'


FACADE_LAYOUT = 'images/NAME.jpg (or .png) and labels/NAME.png of training ids'

_TRAIN_ID = {'road': 0, 'pavement': 1, 'building': 2, 'vegetation': 8, 'sky': 10, 'car': 13}
_FACADE_LABELS = IndexedLabels(
    {_TRAIN_ID[name]: index for index, name in enumerate(LABEL_ME_FACADE.class_names)}, {255},
    f'training ids of Cityscapes {sorted(_TRAIN_ID.values())}, or 255 for everything else')


class LabelMeFacade(LabelledFiles):
    """Photographs of up to 384 px, with the street classes of the dataset.

    Args:
        root: Folder of the dataset.
        split: 'train', 'val' (every fifth image) or 'all'.

    Raises:
        DatasetError: The split is unknown, or files are missing.

    Source: Fröhlich, Rodner and Denzler, A Fast Approach for Pixelwise Labeling of Facade Images,
    ICPR 2010.
    """

    def __init__(self, root: Path, split: str) -> None:
        images = hold_out('LabelMeFacade', list_files(root, 'images/*.*', FACADE_LAYOUT), split)
        labels = partners(
            images, lambda image: root / 'labels' / f'{image.stem}.png', FACADE_LAYOUT)
        super().__init__(LABEL_ME_FACADE, root, images, labels, _FACADE_LABELS)


MAPILLARY_LAYOUT = (
    'config.json, {training,validation}/images/NAME.jpg, {training,validation}/labels/'
    'NAME.png and, where there, instances/NAME.png; or as release 2 has them, '
    'config_v1.2.json and {training,validation}/v1.2/{labels,instances}/NAME.png')
MAPILLARY_SPLITS = {'train': 'training', 'val': 'validation'}
"""Folders by split; the labels of the 5000 testing images are not public."""

_VOID = 'void--unlabeled'


class FileClass(NamedTuple):
    """Entry of the class list that comes with the dataset.

    Attributes:
        name: Name as spelled in the taxonomy.
        has_instances: True if the pixels are numbered by instance.
    """

    name: str
    has_instances: bool


class MapillaryVistas(LabelledFiles):
    """Images of various sizes with 65 classes.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'val'.

    Raises:
        DatasetError: The split is unknown, files are missing, or the class list is not that of
            release 1.2.

    Source: Neuhold et al., The Mapillary Vistas dataset, ICCV 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('Mapillary Vistas', split, MAPILLARY_SPLITS)
        folder = root / MAPILLARY_SPLITS[split]
        images = list_files(root, f'{MAPILLARY_SPLITS[split]}/images/*.jpg', MAPILLARY_LAYOUT)
        release_2 = (root / 'config_v1.2.json').is_file()
        beside = folder / 'v1.2' if release_2 else folder
        labels = partners(
            images, lambda image: beside / 'labels' / f'{image.stem}.png', MAPILLARY_LAYOUT)
        classes = read_classes(root / ('config_v1.2.json' if release_2 else 'config.json'))
        self._instances = beside / 'instances'
        self._has_instances = np.array([entry.has_instances for entry in classes])
        super().__init__(MAPILLARY, root, images, labels, IndexedLabels(
            {index: MAPILLARY.class_names.index(entry.name)
             for index, entry in enumerate(classes) if entry.name != _VOID},
            [index for index, entry in enumerate(classes) if entry.name == _VOID],
            f'positions 0 to {len(classes) - 1} in the class list'))

    def _beside(self, index: int) -> dict[str, Any]:
        path = self._instances / f'{self._images[index].stem}.png'
        if not path.is_file():
            return {}
        codes = read_plane(path, np.uint16, '256 times the class, plus the instance')
        classes = codes >> 8
        if classes.max() >= len(self._has_instances):
            raise DatasetError(
                f'file {path}', must_be=f'of classes below {len(self._has_instances)}',
                got=int(classes.max()), do='unpack it again', reason='damaged',
            )
        numbered = self._has_instances[classes]
        return {'instances': np.where(numbered, codes.astype(np.int32) + 1, 0).astype(np.int32)}


def read_classes(path: Path) -> list[FileClass]:
    """Read the class list of the dataset; a label is an index into it.

    Raises:
        DatasetError: The file is missing, damaged, or of another release.
    """
    classes = read_parsed(
        path, _parse_classes, f'the class list, in a layout of {MAPILLARY_LAYOUT}')
    strange = {entry.name for entry in classes} ^ {*MAPILLARY.class_names, _VOID}
    if strange:
        raise DatasetError(
            f'file {path}', must_be='the class list of release 1.2',
            got=f'a list that differs in {sorted(strange)[:3]}', do='use the labels of v1.2',
        )
    return classes


def _parse_classes(text: str) -> list[FileClass]:
    return [FileClass(entry['name'], bool(entry['instances']))
            for entry in json.loads(text)['labels']]


WILDDASH_LAYOUT = (
    'NAME.png and NAME_labelIds.png (release 1), or images/NAME.jpg, labels/NAME.png and '
    'panoptic.json (release 2)')
WILDDASH_SPLITS = ('val',)
"""Splits: release 1 calls its 70 public images val; release 2 has 4256 public images, no split."""
NEGATIVES = 'negatives.txt'

_SAME_AS = {
    'van': 'car', 'pickup': 'truck', 'onrails': 'train', 'roadmarking': 'road',
    'manhole': 'road', 'pothole': 'road', 'tramtrack': 'road', 'bikelane': 'road',
    'bikelanesidewalk': 'sidewalk', 'curb': 'sidewalk', 'otherbarrier': 'wall',
    'autorickshaw': 'motorcycle', 'utilitypole': 'pole', 'trafficsignframe': 'pole',
    'bicyclist': 'rider', 'motorcyclist': 'rider', 'otherrider': 'rider',
}
"""Classes added in release 2, mapped to Cityscapes classes by its label policy."""


class WildDash(LabelledFiles):
    """Images of 1920×1080 px with the 19 classes of Cityscapes.

    The public labels do not mark negative images. An optional negatives.txt in the folder does,
    with one name without suffix per line.

    Args:
        root: Folder with the images and labels.
        split: 'val', all public images.

    Raises:
        DatasetError: The split is unknown, files are missing, or the class list of release 2 lacks
            one of the 19 classes.

    Source: Zendel et al., WildDash, ECCV 2018; Unifying panoptic segmentation for autonomous
    driving, CVPR 2022, for release 2 and its label policy.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('WildDash', split, WILDDASH_SPLITS)
        classes = root / 'panoptic.json'
        if classes.is_file():
            images = list_files(root, 'images/*.jpg', WILDDASH_LAYOUT)
            reader: LabelReader = read_label_policy(classes)
            labels = partners(
                images, lambda image: root / 'labels' / f'{image.stem}.png', WILDDASH_LAYOUT)
        else:
            images = list_files(root, '*[0-9].png', WILDDASH_LAYOUT)
            labels = partners(
                images, lambda image: root / f'{image.stem}_labelIds.png', WILDDASH_LAYOUT)
            reader = LABEL_IDS
        super().__init__(CITYSCAPES, root, images, labels, reader)
        listed = root / NEGATIVES
        self._negatives = frozenset(listed.read_text().split() if listed.is_file() else ())

    def _beside(self, index: int) -> dict[str, Any]:
        return {'negative': self._images[index].stem in self._negatives}


def read_label_policy(path: Path) -> IndexedLabels:
    """Build the label reader of release 2, which includes its own class list.

    Raises:
        DatasetError: The file is damaged or lacks one of the 19 classes.
    """
    ids = read_parsed(path, _parse_ids, 'JSON with categories of an id and a name each')
    places = {_plain(name): index for index, name in enumerate(CITYSCAPES.class_names)}
    classes = {label_id: places[_SAME_AS.get(name, name)] for label_id, name in ids.items()
               if _SAME_AS.get(name, name) in places}
    missing = set(places.values()) - set(classes.values())
    if missing:
        raise DatasetError(
            f'categories of {path}', must_be='a list with all 19 classes of Cityscapes',
            got=f'none for {[CITYSCAPES.class_names[index] for index in sorted(missing)]}',
            do='check that this is the file of WildDash 2',
        )
    return IndexedLabels(classes, set(ids) | {255}, f'the category ids of {path.name}')


def _parse_ids(text: str) -> dict[int, str]:
    return {int(entry['id']): _plain(entry['name']) for entry in json.loads(text)['categories']}


def _plain(name: str) -> str:
    """Name without spaces and hyphens; releases and tools spell them differently."""
    return ''.join(filter(str.isalpha, name.lower()))
