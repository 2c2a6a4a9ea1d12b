# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists, their colours and their domains."""

from ldn_perception.taxonomy.cityscapes import CITYSCAPES
from ldn_perception.taxonomy.rob2018 import ROB2018
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy

TAXONOMIES = {taxonomy.name: taxonomy for taxonomy in (CITYSCAPES, ROB2018)}

__all__ = ['CITYSCAPES', 'ROB2018', 'TAXONOMIES', 'ClassInfo', 'Domain', 'Taxonomy']
