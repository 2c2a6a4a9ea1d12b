# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets by name, and stereo folders by content."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ldn_perception.data.cityscapes import Cityscapes, Cityscapes256
from ldn_perception.data.driving_images import (
    Bdd100k,
    CamVid,
    IddLite,
    LabelMeFacade,
    MapillaryVistas,
    WildDash,
)
from ldn_perception.data.everyday_images import (
    CocoFolder,
    CocoPanoptic,
    MsrcV2,
    PascalVoc,
    PlainImages,
    ScanNet,
)
from ldn_perception.data.kitti import Kitti445, KittiSemantics, KittiStereo, KittiStereoFolder
from ldn_perception.data.labelled_images import LabelledImages, WhollyForeign
from ldn_perception.data.middlebury import Middlebury
from ldn_perception.data.stereo_pairs import StereoPairs
from ldn_perception.data.synthetic_sets import SyntheticImages, SyntheticPairs
from ldn_perception.errors import DatasetError

DATASETS: dict[str, Callable[[Path, str], LabelledImages]] = {
    'bdd100k': Bdd100k,
    'camvid': CamVid,
    'cityscapes': Cityscapes,
    'cityscapes_coarse': partial(Cityscapes, annotation='coarse'),
    'cityscapes_256': Cityscapes256,
    'idd_lite': IddLite,
    'label_me_facade': LabelMeFacade,
    'kitti_445': Kitti445,
    'kitti_semantics': KittiSemantics,
    'mapillary_vistas': MapillaryVistas,
    'wilddash': WildDash,
    'coco_panoptic': CocoPanoptic,
    'coco_folder': CocoFolder,
    'msrc_v2': MsrcV2,
    'msrc_v2_wholly_foreign': lambda root, split: WhollyForeign(MsrcV2(root, split)),
    'pascal_voc': PascalVoc,
    'scannet': ScanNet,
    'scannet_wholly_foreign': lambda root, split: WhollyForeign(ScanNet(root, split)),
    'plain_images': PlainImages,
    'synthetic_images': SyntheticImages,
}
"""Builders of labelled datasets by name; arguments are dataset folder and split."""

STEREO_DATASETS: dict[str, Callable[[Path], StereoPairs]] = {
    'kitti_stereo': KittiStereo,
    'kitti_stereo_folder': KittiStereoFolder,
    'middlebury': Middlebury,
    'synthetic_pairs': SyntheticPairs,
}
"""Builders of stereo datasets with disparity by name; the argument is the dataset folder."""


def build_dataset(name: str, root: Path, split: str) -> LabelledImages:
    """Open a dataset by name.

    Args:
        name: One of DATASETS.
        root: Folder of the dataset.
        split: Split name; an unknown one raises an error that lists the valid names.

    Raises:
        DatasetError: The dataset or split is unknown, or files are missing.
    """
    if name not in DATASETS:
        raise DatasetError(
            'dataset', must_be=f'one of {", ".join(sorted(DATASETS))}', got=name,
            do='ask for one of these',
        )
    return DATASETS[name](root, split)


def open_stereo_folder(root: Path) -> StereoPairs:
    """Open a stereo folder; the kind is detected from its content.

    Args:
        root: KITTI stereo (training/), one KITTI pair (disp_occ.png or disp_gt.png), drives as
            written by `ldn synthesize --images` (disparity/), else Middlebury scenes.

    Raises:
        DatasetError: The content is of another kind, or files are missing.
    """
    if (root / 'training').is_dir():
        return KittiStereo(root)
    if any((root / name).is_file() for name in ('disp_occ.png', 'disp_gt.png')):
        return KittiStereoFolder(root)
    if (root / 'disparity').is_dir() or any(root.glob('*/disparity')):
        return SyntheticPairs(root)
    return Middlebury(root)
