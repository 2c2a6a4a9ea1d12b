# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 19 evaluated classes of Cityscapes.

Source: Cordts et al., The Cityscapes Dataset, CVPR 2016; ids, colours and categories as its
benchmark publishes them.
"""

import numpy as np

from ldn_perception.frames import UNLABELLED
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy

_ROWS = (
    # label id, name, color, category
    (7, 'road', (128, 64, 128), 'flat'),
    (8, 'sidewalk', (244, 35, 232), 'flat'),
    (11, 'building', (70, 70, 70), 'construction'),
    (12, 'wall', (102, 102, 156), 'construction'),
    (13, 'fence', (190, 153, 153), 'construction'),
    (17, 'pole', (153, 153, 153), 'object'),
    (19, 'traffic light', (250, 170, 30), 'object'),
    (20, 'traffic sign', (220, 220, 0), 'object'),
    (21, 'vegetation', (107, 142, 35), 'nature'),
    (22, 'terrain', (152, 251, 152), 'nature'),
    (23, 'sky', (70, 130, 180), 'sky'),
    (24, 'person', (220, 20, 60), 'human'),
    (25, 'rider', (255, 0, 0), 'human'),
    (26, 'car', (0, 0, 142), 'vehicle'),
    (27, 'truck', (0, 0, 70), 'vehicle'),
    (28, 'bus', (0, 60, 100), 'vehicle'),
    (31, 'train', (0, 80, 100), 'vehicle'),
    (32, 'motorcycle', (0, 0, 230), 'vehicle'),
    (33, 'bicycle', (119, 11, 32), 'vehicle'),
)

CITYSCAPES = Taxonomy(
    'cityscapes',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for _, name, color, category in _ROWS),
)

LABEL_ID_TO_CLASS = np.full(256, UNLABELLED, np.uint8)
"""(256,) uint8: id of a Cityscapes *labelIds* image -> class id, 255 for ids not evaluated."""
LABEL_ID_TO_CLASS[[row[0] for row in _ROWS]] = np.arange(len(_ROWS))
