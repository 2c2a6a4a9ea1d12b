# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Driving and indoor classes together, as in the Robust Vision Challenge 2018.

Source: thesis section 5.3.1: a common model predicts at least 39 classes, the 19 driving classes
of Cityscapes and the 20 indoor classes of ScanNet (Dai et al., CVPR 2017; NYU40 colours). An
indoor class on a road camera is the sign of something the model has not learned.
"""

from ldn_perception.taxonomy.cityscapes import CITYSCAPES
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy

_INDOOR = (
    ('indoor wall', (174, 199, 232)),
    ('floor', (152, 223, 138)),
    ('cabinet', (31, 119, 180)),
    ('bed', (255, 187, 120)),
    ('chair', (188, 189, 34)),
    ('sofa', (140, 86, 75)),
    ('table', (255, 152, 150)),
    ('door', (214, 39, 40)),
    ('window', (197, 176, 213)),
    ('bookshelf', (148, 103, 189)),
    ('picture', (196, 156, 148)),
    ('counter', (23, 190, 207)),
    ('desk', (247, 182, 210)),
    ('curtain', (219, 219, 141)),
    ('refrigerator', (255, 127, 14)),
    ('shower curtain', (158, 218, 229)),
    ('toilet', (44, 160, 44)),
    ('sink', (112, 128, 144)),
    ('bathtub', (227, 119, 194)),
    ('other furniture', (82, 84, 163)),
)

ROB2018 = Taxonomy(
    'rob2018',
    CITYSCAPES.classes
    + tuple(ClassInfo(name, color, Domain.FOREIGN, 'indoor') for name, color in _INDOOR),
)
