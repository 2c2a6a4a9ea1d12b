# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The seven groups of IDD Lite, and the universal classes in each.

Source: Varma et al., IDD: A Dataset for Exploring Problems of Autonomous Navigation in
Unconstrained Environments, WACV 2019, Figure 2: the first level of its hierarchy of labels.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS = (
    ('drivable', (128, 64, 128), 'flat'),
    ('non-drivable', (244, 35, 232), 'flat'),
    ('living thing', (220, 20, 60), 'human'),
    ('vehicle', (0, 0, 142), 'vehicle'),
    ('roadside object', (220, 190, 40), 'object'),
    ('far object', (70, 70, 70), 'construction'),
    ('sky', (70, 130, 180), 'sky'),
)

IDD_LITE = Taxonomy(
    'idd_lite',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for name, color, category in _ROWS),
)

IDD_LITE_TO_UNIVERSAL = LabelMapping(IDD_LITE, UNIVERSAL, {
    'drivable': ('road', 'terrain', 'wild ground'),
    'non-drivable': ('sidewalk', 'terrain', 'water', 'wild ground', 'other scenery'),
    'living thing': ('person', 'rider', 'animal'),
    'vehicle': ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'),
    'roadside object': (
        'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign',
        'other scenery'),
    'far object': ('building', 'vegetation', 'other scenery'),
    'sky': ('sky',),
})
"""Drivable ground includes parking places and shoulders of dirt; roadside objects include kerbs
and billboards, far objects bridges. Autorickshaws have no class of their own and count as one of
the vehicles."""
