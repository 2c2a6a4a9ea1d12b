# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of LabelMeFacade that a street is made of, and the universal classes in each.

Source: Fröhlich, Rodner and Denzler, A Fast Approach for Pixelwise Labeling of Facade Images, ICPR
2010. Doors and windows are part of the building; 'various' names no class.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS = (
    ('road', (128, 64, 0), 'flat'),
    ('pavement', (128, 128, 128), 'flat'),
    ('building', (128, 0, 0), 'construction'),
    ('vegetation', (0, 128, 0), 'nature'),
    ('sky', (0, 128, 128), 'sky'),
    ('car', (128, 0, 128), 'vehicle'),
)

LABEL_ME_FACADE = Taxonomy(
    'label_me_facade',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for name, color, category in _ROWS),
)

LABEL_ME_FACADE_TO_UNIVERSAL = LabelMapping.by_name(LABEL_ME_FACADE, UNIVERSAL, {
    'pavement': ('sidewalk',),
    'building': ('building', 'wall'),
    'vegetation': ('vegetation', 'terrain'),
    'car': ('car', 'truck', 'bus'),
})
"""Grass is vegetation and vans are cars in this dataset."""
