# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 20 classes ScanNet is scored with, and what they say of the universal classes.

Source: Dai et al., ScanNet, CVPR 2017; ids of NYU40, which its label images use.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.rob2018 import ROB2018
from ldn_perception.taxonomy.taxonomy import Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

SCANNET = Taxonomy('scannet', ROB2018.classes[ROB2018.num_driving:])
"""Named and coloured as in the common list of the Robust Vision Challenge."""

NYU40_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
"""NYU40 id of every class, in the order of the ids."""

SCANNET_TO_UNIVERSAL = LabelMapping(SCANNET, UNIVERSAL, {
    'indoor wall': ('indoor surface',),
    'floor': ('indoor surface',),
    'cabinet': ('furniture',),
    'bed': ('furniture',),
    'chair': ('furniture',),
    'sofa': ('furniture',),
    'table': ('furniture',),
    'door': ('indoor surface',),
    'window': ('indoor surface',),
    'bookshelf': ('furniture',),
    'picture': ('household object',),
    'counter': ('furniture',),
    'desk': ('furniture',),
    'curtain': ('indoor surface',),
    'refrigerator': ('household object',),
    'shower curtain': ('household object',),
    'toilet': ('household object',),
    'sink': ('household object',),
    'bathtub': ('household object',),
    'other furniture': ('furniture',),
})
"""Every room is foreign; its walls, doors and windows are seen from the inside."""
