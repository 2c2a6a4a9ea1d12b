# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 11 classes of the thesis' KITTI images, and what they say of the universal classes.

Source: thesis section 3.3, which names the classes in this order; the colours are those of the
colour list that the authors' public code for it reads, which took them over from CamVid.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS = (
    ('building', (128, 0, 0), 'construction'),
    ('vegetation', (128, 128, 0), 'nature'),
    ('sky', (128, 128, 128), 'sky'),
    ('road', (128, 64, 128), 'flat'),
    ('fence', (64, 64, 128), 'construction'),
    ('pole', (192, 192, 128), 'object'),
    ('sidewalk', (0, 0, 192), 'flat'),
    ('sign', (192, 128, 128), 'object'),
    ('car', (64, 0, 128), 'vehicle'),
    ('pedestrian', (64, 64, 0), 'human'),
    ('bicyclist', (0, 128, 192), 'human'),
)

KITTI11 = Taxonomy(
    'kitti11',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for name, color, category in _ROWS),
)

KITTI11_TO_UNIVERSAL = LabelMapping.by_name(KITTI11, UNIVERSAL, {
    'building': ('building', 'wall'),
    'vegetation': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
})
"""The thesis names the classes and no policy. Each set holds the classes of Cityscapes that have
no other place among the 11, so it can be too wide and is never wrong."""
