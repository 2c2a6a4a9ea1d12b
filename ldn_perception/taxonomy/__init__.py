# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists (taxonomies) with colours and domains, and mappings between them."""

from ldn_perception.taxonomy.driving import (
    CAMVID,
    CITYSCAPES,
    IDD_LITE,
    KITTI11,
    LABEL_ME_FACADE,
    MAPILLARY,
    SYNTHETIC_DRIVE,
    UNIVERSAL,
)
from ldn_perception.taxonomy.everyday import (
    COCO_PANOPTIC,
    FOREIGN_SCENE,
    MSRC_V2,
    PASCAL_VOC,
    ROB2018,
    SCANNET,
)
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy

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
"""Class lists by name."""

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
