# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 11 classes CamVid is scored with, and what they say of the universal classes.

Source: Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009, for
the colours; Badrinarayanan et al., SegNet, PAMI 2017, for the merge of its 32 classes into 11.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS = (
    ('sky', (128, 128, 128), 'sky'),
    ('building', (128, 0, 0), 'construction'),
    ('pole', (192, 192, 128), 'object'),
    ('road', (128, 64, 128), 'flat'),
    ('pavement', (0, 0, 192), 'flat'),
    ('tree', (128, 128, 0), 'nature'),
    ('sign', (192, 128, 128), 'object'),
    ('fence', (64, 64, 128), 'construction'),
    ('car', (64, 0, 128), 'vehicle'),
    ('pedestrian', (64, 64, 0), 'human'),
    ('bicyclist', (0, 128, 192), 'human'),
)

CAMVID = Taxonomy(
    'camvid',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for name, color, category in _ROWS),
)

CAMVID_TO_UNIVERSAL = LabelMapping(CAMVID, UNIVERSAL, {
    'sky': ('sky',),
    'building': ('building', 'wall'),
    'pole': ('pole',),
    'road': ('road',),
    'pavement': ('sidewalk',),
    'tree': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'fence': ('fence',),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
})
"""Follows the merge: building took in walls, bridges and tunnels; tree all other plants, so grass
too; sign the traffic lights; car every vehicle of four wheels or more and trains; bicyclist the
motorcycles, each drawn in one piece with its rider. Pavement took in parking blocks and road
shoulders, road the lane markings: both stay one class. Pole took in traffic cones and pedestrian
prams and animals, too few pixels to widen the set by."""
