# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One class for all that a wholly foreign photograph shows.

Source: thesis section 5.3, where every pixel of an indoor or negative image is foreign whatever
is in it.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

FOREIGN_SCENE = Taxonomy(
    'foreign_scene', (ClassInfo('foreign scene', (255, 0, 255), Domain.FOREIGN, 'foreign'),))

FOREIGN_SCENE_TO_UNIVERSAL = LabelMapping(FOREIGN_SCENE, UNIVERSAL, {
    'foreign scene': UNIVERSAL.class_names[UNIVERSAL.num_driving:],
})
"""Any foreign class is right, and no driving class is."""
