# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""WildDash: driving under hazards, and pictures that no driving camera should see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ldn_perception.datasets.dataset_files import list_files, partners, read_parsed
from ldn_perception.datasets.label_ids import LABEL_IDS
from ldn_perception.datasets.labelled_files import (
    IndexedLabels,
    LabelledFiles,
    LabelReader,
    check_split,
)
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.cityscapes import CITYSCAPES

LAYOUT = ('NAME.png and NAME_labelIds.png (release 1), or images/NAME.jpg, labels/NAME.png and '
          'panoptic.json (release 2)')
SPLITS = ('val',)
"""Release 1 calls its 70 public images val; release 2 has 4256 public ones and no split."""
NEGATIVES = 'negatives.txt'

_SAME_AS = {
    'van': 'car', 'pickup': 'truck', 'onrails': 'train', 'roadmarking': 'road',
    'manhole': 'road', 'pothole': 'road', 'tramtrack': 'road', 'bikelane': 'road',
    'bikelanesidewalk': 'sidewalk', 'curb': 'sidewalk', 'otherbarrier': 'wall',
    'autorickshaw': 'motorcycle', 'utilitypole': 'pole', 'trafficsignframe': 'pole',
    'bicyclist': 'rider', 'motorcyclist': 'rider', 'otherrider': 'rider',
}
"""Classes that release 2 added -> where its label policy puts them among those of Cityscapes."""


class WildDash(LabelledFiles):
    """Images of 1920×1080 px with the 19 classes of Cityscapes.

    The public labels do not say which images are negative. A text file negatives.txt in the
    folder does, a name without suffix on each line.

    Args:
        root: Folder with the images and labels.
        split: 'val', all that is public.

    Raises:
        DatasetError: There is no such split, files are missing, or the class list of release 2
            lacks one of the 19.

    Source: Zendel et al., WildDash, ECCV 2018; Unifying panoptic segmentation for autonomous
    driving, CVPR 2022, for release 2 and its label policy.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('WildDash', split, SPLITS)
        classes = root / 'panoptic.json'
        if classes.is_file():
            images = list_files(root, 'images/*.jpg', LAYOUT)
            reader: LabelReader = read_label_policy(classes)
            labels = partners(images, lambda image: root / 'labels' / f'{image.stem}.png', LAYOUT)
        else:
            images = list_files(root, '*[0-9].png', LAYOUT)
            labels = partners(
                images, lambda image: root / f'{image.stem}_labelIds.png', LAYOUT)
            reader = LABEL_IDS
        super().__init__(CITYSCAPES, root, images, labels, reader)
        listed = root / NEGATIVES
        self._negatives = frozenset(listed.read_text().split() if listed.is_file() else ())

    def _beside(self, index: int) -> dict[str, Any]:
        return {'negative': self._images[index].stem in self._negatives}


def read_label_policy(path: Path) -> IndexedLabels:
    """Reader for the label images of release 2, which brings a class list of its own.

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
    """Name without spaces and hyphens, which releases and tools spell differently."""
    return ''.join(filter(str.isalpha, name.lower()))
