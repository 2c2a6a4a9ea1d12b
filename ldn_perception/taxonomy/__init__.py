# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists, their colours and their domains."""

from ldn_perception.taxonomy.camvid import CAMVID
from ldn_perception.taxonomy.cityscapes import CITYSCAPES
from ldn_perception.taxonomy.coco_panoptic import COCO_PANOPTIC
from ldn_perception.taxonomy.foreign_scene import FOREIGN_SCENE
from ldn_perception.taxonomy.idd_lite import IDD_LITE
from ldn_perception.taxonomy.kitti11 import KITTI11
from ldn_perception.taxonomy.label_me_facade import LABEL_ME_FACADE
from ldn_perception.taxonomy.mapillary import MAPILLARY
from ldn_perception.taxonomy.msrc_v2 import MSRC_V2
from ldn_perception.taxonomy.pascal_voc import PASCAL_VOC
from ldn_perception.taxonomy.rob2018 import ROB2018
from ldn_perception.taxonomy.scannet import SCANNET
from ldn_perception.taxonomy.synthetic_drive import SYNTHETIC_DRIVE
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

TAXONOMIES = {taxonomy.name: taxonomy for taxonomy in (
    CITYSCAPES,
    ROB2018,
    UNIVERSAL,
    CAMVID,
    KITTI11,
    IDD_LITE,
    LABEL_ME_FACADE,
    MAPILLARY,
    COCO_PANOPTIC,
    MSRC_V2,
    SCANNET,
    PASCAL_VOC,
    FOREIGN_SCENE,
    SYNTHETIC_DRIVE,
)}
"""Every class list, by name."""

__all__ = [
    'CAMVID',
    'CITYSCAPES',
    'COCO_PANOPTIC',
    'FOREIGN_SCENE',
    'IDD_LITE',
    'KITTI11',
    'LABEL_ME_FACADE',
    'MAPILLARY',
    'MSRC_V2',
    'PASCAL_VOC',
    'ROB2018',
    'SCANNET',
    'SYNTHETIC_DRIVE',
    'TAXONOMIES',
    'UNIVERSAL',
    'ClassInfo',
    'Domain',
    'Taxonomy',
]
