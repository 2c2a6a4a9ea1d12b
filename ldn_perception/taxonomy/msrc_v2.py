# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 23 classes of MSRC v2, and what they say of the universal classes.

Its road is any paved ground, a station hall as well as a street, and teaches nothing. Its cars
are whatever has an engine and four wheels. Its signs are of shops and towns as often as of
traffic. Face and body are parts of one person.

Source: Shotton et al., TextonBoost, ECCV 2006; colours as the palette of its label images here.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS: tuple[tuple[str, tuple[int, int, int], str, tuple[str, ...]], ...] = (
    # name, color, category, universal classes
    ('building', (212, 87, 157), 'scenery', ('building',)),
    ('grass', (232, 107, 235), 'scenery', ('terrain',)),
    ('tree', (143, 49, 251), 'scenery', ('vegetation',)),
    ('cow', (61, 76, 127), 'animal', ('animal',)),
    ('horse', (110, 128, 180), 'animal', ('animal',)),
    ('sheep', (98, 233, 79), 'animal', ('animal',)),
    ('sky', (127, 214, 128), 'scenery', ('sky',)),
    ('mountain', (121, 205, 65), 'scenery', ('wild ground',)),
    ('aeroplane', (117, 112, 49), 'vehicle', ('aircraft or boat',)),
    ('water', (188, 155, 248), 'scenery', ('water',)),
    ('face', (237, 119, 215), 'person', ('person', 'rider')),
    ('car', (232, 122, 139), 'vehicle', ('car', 'truck', 'bus')),
    ('bicycle', (217, 69, 187), 'vehicle', ('bicycle',)),
    ('flower', (187, 182, 207), 'scenery', ('vegetation', 'terrain')),
    ('sign', (72, 233, 49), 'object', ('traffic sign', 'other scenery')),
    ('bird', (225, 167, 72), 'animal', ('animal',)),
    ('book', (71, 242, 191), 'object', ('household object',)),
    ('chair', (203, 243, 154), 'object', ('furniture',)),
    ('road', (223, 68, 74), 'scenery', ()),
    ('cat', (168, 168, 204), 'animal', ('animal',)),
    ('dog', (93, 173, 78), 'animal', ('animal',)),
    ('body', (57, 119, 172), 'person', ('person', 'rider')),
    ('boat', (145, 82, 226), 'vehicle', ('aircraft or boat',)),
)

MSRC_V2 = Taxonomy(
    'msrc_v2',
    tuple(ClassInfo(name, color, Domain.FOREIGN, category) for name, color, category, _ in _ROWS),
)

MSRC_V2_TO_UNIVERSAL = LabelMapping(
    MSRC_V2, UNIVERSAL, {name: universal for name, _, _, universal in _ROWS})

MSRC_V2_THINGS = (
    'cow', 'horse', 'sheep', 'aeroplane', 'bird', 'book', 'chair', 'cat', 'dog', 'boat',
)
"""Foreign classes that are countable things with an outline of their own."""
