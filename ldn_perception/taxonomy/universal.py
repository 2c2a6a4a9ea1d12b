# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of a road, of its surroundings and of what does not belong there, in one list.

The foreign classes are groups of the classes of COCO, MSRC and ScanNet, which name far more things
than a few hundred photographs can teach. What matters on a road is that a thing is in one of
them, not in which.

Water, wild ground (sand, snow, rock, mountains) and other scenery (railways, platforms, boards)
are no class of Cityscapes, but a camera on a road sees them, so they are no sign of a foreign
scene: they belong to the driving domain.

Source: thesis section 5.3, where ScanNet's 20 classes are the foreign ones; ScanNet maps into
these groups too.
"""

from ldn_perception.taxonomy.cityscapes import CITYSCAPES
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy

_SURROUNDINGS = (
    ('water', (60, 160, 255)),
    ('wild ground', (150, 120, 90)),
    ('other scenery', (120, 90, 140)),
)

_FOREIGN = (
    ('animal', (188, 143, 86)),
    ('furniture', (140, 86, 200)),
    ('household object', (214, 39, 120)),
    ('food', (255, 140, 60)),
    ('accessory', (23, 190, 207)),
    ('aircraft or boat', (0, 110, 130)),
    ('indoor surface', (219, 200, 141)),
)

SURROUNDING_CLASSES = tuple(name for name, _ in _SURROUNDINGS)
"""Driving classes that Cityscapes has not."""

UNIVERSAL = Taxonomy(
    'universal',
    CITYSCAPES.classes
    + tuple(ClassInfo(name, color, Domain.DRIVING, 'surroundings')
            for name, color in _SURROUNDINGS)
    + tuple(ClassInfo(name, color, Domain.FOREIGN, 'foreign') for name, color in _FOREIGN),
)
