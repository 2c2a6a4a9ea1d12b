# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every dataset of labelled images, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ldn_perception.datasets.bdd100k import Bdd100k
from ldn_perception.datasets.camvid import CamVid
from ldn_perception.datasets.cityscapes import Cityscapes
from ldn_perception.datasets.cityscapes_256 import Cityscapes256
from ldn_perception.datasets.coco_panoptic import CocoFolder, CocoPanoptic
from ldn_perception.datasets.idd_lite import IddLite
from ldn_perception.datasets.kitti_445 import Kitti445
from ldn_perception.datasets.kitti_semantics import KittiSemantics
from ldn_perception.datasets.kitti_stereo import KittiStereo, KittiStereoFolder
from ldn_perception.datasets.label_me_facade import LabelMeFacade
from ldn_perception.datasets.labelled_image import LabelledImages
from ldn_perception.datasets.mapillary_vistas import MapillaryVistas
from ldn_perception.datasets.middlebury import Middlebury
from ldn_perception.datasets.msrc_v2 import MsrcV2
from ldn_perception.datasets.pascal_voc import PascalVoc
from ldn_perception.datasets.plain_images import PlainImages
from ldn_perception.datasets.scannet import ScanNet
from ldn_perception.datasets.stereo_pairs import StereoPairs
from ldn_perception.datasets.synthetic_images import SyntheticImages
from ldn_perception.datasets.synthetic_pairs import SyntheticPairs
from ldn_perception.datasets.wholly_foreign import WhollyForeign
from ldn_perception.datasets.wilddash import WildDash
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
"""Name -> builder, which takes the folder of the dataset and the name of a split."""

STEREO_DATASETS: dict[str, Callable[[Path], StereoPairs]] = {
    'kitti_stereo': KittiStereo,
    'kitti_stereo_folder': KittiStereoFolder,
    'middlebury': Middlebury,
    'synthetic_pairs': SyntheticPairs,
}
"""Name -> builder of a dataset of pairs with disparity, which takes its folder."""


def build_dataset(name: str, root: Path, split: str) -> LabelledImages:
    """Open a dataset.

    Args:
        name: One of DATASETS.
        root: Its folder.
        split: Name of a part of it; each dataset says in an error which it has.

    Raises:
        DatasetError: There is no such dataset or split, or files are missing.
    """
    if name not in DATASETS:
        raise DatasetError(
            'dataset', must_be=f'one of {", ".join(sorted(DATASETS))}', got=name,
            do='ask for one of these',
        )
    return DATASETS[name](root, split)
