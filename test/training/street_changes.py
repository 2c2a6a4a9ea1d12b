# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Things to paste and a forest to hide streets behind, both made of plain colours."""

import numpy as np
from training.tiny import taxonomy

from ldn_perception.data.foreign_cutouts import ForeignCutouts
from ldn_perception.data.labelled_images import LabelledImage
from ldn_perception.training.street_changes import (
    CutoutSource,
    Pasting,
    SceneryChange,
    ScenerySource,
)

UNKNOWN = 9
FOREST = 7
GREEN = (20, 160, 20)


class _Discs:
    """A white disc of one class on black."""

    taxonomy = taxonomy('discs', '', 'no')

    def __init__(self, label):
        self._label = label

    def __len__(self):
        return 1

    def __getitem__(self, index):
        rows, columns = np.mgrid[:80, :80] - 40
        disc = rows**2 + columns**2 < 30**2
        return LabelledImage(
            'disc', np.where(disc[..., None], 255, 0).astype(np.uint8).repeat(3, -1),
            np.where(disc, self._label, 255).astype(np.uint8))


def pasting(share):
    """Discs of targets 5 and 6, standing on label 1."""
    sources = []
    for label in (0, 1):
        targets = np.full(256, UNKNOWN, np.uint8)
        targets[label] = 5 + label
        sources.append(CutoutSource(ForeignCutouts(_Discs(label), ['no'[label]]), targets))
    ground = np.zeros(256, np.bool_)
    ground[1] = True
    return Pasting(share, sources, ground)


class _Forest:
    """One photograph with nothing but trees."""

    taxonomy = taxonomy('forest', 'tr')

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return LabelledImage(
            'forest', np.full((60, 80, 3), GREEN, np.uint8), np.ones((60, 80), np.uint8))


def forest(share, replaceable):
    """Scenery of target 7 instead of the replaceable labels."""
    targets = np.full(256, UNKNOWN, np.uint8)
    targets[1] = FOREST
    return SceneryChange(
        share, [ScenerySource(_Forest(), targets, np.arange(256) == 1)], replaceable)
