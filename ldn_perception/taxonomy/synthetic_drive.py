# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The classes of the synthetic drive, and what they say of the universal classes."""

from ldn_perception.taxonomy.cityscapes import CITYSCAPES
from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

SYNTHETIC_DRIVE = Taxonomy(
    'synthetic_drive',
    (*CITYSCAPES.classes, ClassInfo('foreign object', (255, 0, 255), Domain.FOREIGN, 'foreign')),
)

SYNTHETIC_DRIVE_TO_UNIVERSAL = LabelMapping.by_name(SYNTHETIC_DRIVE, UNIVERSAL, {
    'foreign object': (
        'animal', 'furniture', 'household object', 'food', 'accessory', 'aircraft or boat'),
})
"""The drive does not say what its foreign objects are, only that they are things."""
