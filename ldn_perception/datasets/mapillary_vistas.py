# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Mapillary Vistas 1.2: 20000 labelled street views from six continents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ldn_perception.datasets.dataset_files import list_files, partners, read_parsed, read_plane
from ldn_perception.datasets.labelled_files import IndexedLabels, LabelledFiles, check_split
from ldn_perception.errors import DatasetError
from ldn_perception.taxonomy.mapillary import MAPILLARY

LAYOUT = ('config.json, {training,validation}/images/NAME.jpg, {training,validation}/labels/'
          'NAME.png and, where there, instances/NAME.png; or as release 2 has them, '
          'config_v1.2.json and {training,validation}/v1.2/{labels,instances}/NAME.png')
SPLITS = {'train': 'training', 'val': 'validation'}
"""The labels of its 5000 testing images are not public."""

_VOID = 'void--unlabeled'


class FileClass(NamedTuple):
    """A class in the dataset's own list.

    Attributes:
        name: As the taxonomy spells it.
        has_instances: Its pixels are numbered by instance.
    """

    name: str
    has_instances: bool


class MapillaryVistas(LabelledFiles):
    """Images of many sizes with 65 classes.

    Args:
        root: Folder of the dataset.
        split: 'train' or 'val'.

    Raises:
        DatasetError: There is no such split, files are missing, or the class list is not that of
            release 1.2.

    Source: Neuhold et al., The Mapillary Vistas dataset, ICCV 2017.
    """

    def __init__(self, root: Path, split: str) -> None:
        check_split('Mapillary Vistas', split, SPLITS)
        folder = root / SPLITS[split]
        images = list_files(root, f'{SPLITS[split]}/images/*.jpg', LAYOUT)
        release_2 = (root / 'config_v1.2.json').is_file()
        beside = folder / 'v1.2' if release_2 else folder
        labels = partners(images, lambda image: beside / 'labels' / f'{image.stem}.png', LAYOUT)
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
    """Class list of the dataset; a label is a position in it.

    Raises:
        DatasetError: The file is missing or damaged, or of another release.
    """
    classes = read_parsed(path, _parse_classes, f'the class list, in a layout of {LAYOUT}')
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
