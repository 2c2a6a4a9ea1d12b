# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 21 classes of Pascal VOC 2012, and what they say of the universal classes.

Background is all that the other 20 are not, roads and rooms alike, and teaches nothing.

Source: Everingham et al., The Pascal visual object classes challenge, IJCV 2010.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS: tuple[tuple[str, tuple[int, int, int], str, tuple[str, ...]], ...] = (
    # name, color, category, universal classes
    ('background', (0, 0, 0), 'background', ()),
    ('aeroplane', (128, 0, 0), 'vehicle', ('aircraft or boat',)),
    ('bicycle', (0, 128, 0), 'vehicle', ('bicycle',)),
    ('bird', (128, 128, 0), 'animal', ('animal',)),
    ('boat', (0, 0, 128), 'vehicle', ('aircraft or boat',)),
    ('bottle', (128, 0, 128), 'indoor', ('household object',)),
    ('bus', (0, 128, 128), 'vehicle', ('bus',)),
    ('car', (128, 128, 128), 'vehicle', ('car', 'truck')),
    ('cat', (64, 0, 0), 'animal', ('animal',)),
    ('chair', (192, 0, 0), 'indoor', ('furniture',)),
    ('cow', (64, 128, 0), 'animal', ('animal',)),
    ('diningtable', (192, 128, 0), 'indoor', ('furniture',)),
    ('dog', (64, 0, 128), 'animal', ('animal',)),
    ('horse', (192, 0, 128), 'animal', ('animal',)),
    ('motorbike', (64, 128, 128), 'vehicle', ('motorcycle',)),
    ('person', (192, 128, 128), 'person', ('person', 'rider')),
    ('pottedplant', (0, 64, 0), 'indoor', ('vegetation', 'household object')),
    ('sheep', (128, 64, 0), 'animal', ('animal',)),
    ('sofa', (0, 192, 0), 'indoor', ('furniture',)),
    ('train', (128, 192, 0), 'vehicle', ('train',)),
    ('tvmonitor', (0, 64, 128), 'indoor', ('household object',)),
)

PASCAL_VOC = Taxonomy(
    'pascal_voc',
    tuple(ClassInfo(name, color, Domain.FOREIGN, category) for name, color, category, _ in _ROWS),
)

PASCAL_VOC_TO_UNIVERSAL = LabelMapping(
    PASCAL_VOC, UNIVERSAL, {name: universal for name, _, _, universal in _ROWS})
"""Its cars take in vans, which the road knows as cars and as trucks."""

PASCAL_VOC_THINGS = PASCAL_VOC.class_names[1:]
"""Classes that are countable things with an outline of their own."""
