# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label images in the numbering of Cityscapes, which other driving datasets took over."""

from ldn_perception.datasets.labelled_files import IndexedLabels
from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.cityscapes import CITYSCAPES, LABEL_ID_TO_CLASS

_NUM_IDS = 34

LABEL_IDS = IndexedLabels(
    {label_id: int(LABEL_ID_TO_CLASS[label_id]) for label_id in range(_NUM_IDS)},
    {UNLABELLED}, f'Cityscapes label ids 0 to {_NUM_IDS - 1}, or 255 for a licence plate',
)
"""Reads *labelIds* images: ids 0 to 33, of which 19 are evaluated."""

TRAIN_IDS = IndexedLabels(
    {index: index for index in range(len(CITYSCAPES))}, {UNLABELLED},
    f'Cityscapes train ids 0 to {len(CITYSCAPES) - 1}, or 255 for void',
)
"""Reads *labelTrainIds* images: the class ids themselves, and 255."""
