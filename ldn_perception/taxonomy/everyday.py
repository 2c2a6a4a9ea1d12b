# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists of everyday photographs and rooms, and their mappings to universal classes.

COCO panoptic: photographs are foreign to a driving camera, but not everything in them is: a tree
stays a tree. A class that also occurs on or beside a road maps to the driving class, a class that
does not occur there maps to its foreign group, and an ambiguous class maps to both. Special
cases:

- Walls, doors and windows may be inside or outside of a house: COCO labels the material.
- Classes at the border of driving classes that are void in Cityscapes are unlabelled: fire
  hydrants, parking meters, banners, lamps.
- A bowl is outlined with the food in it.
- Bare or sports ground is terrain in a park and wild ground in a desert.

Source: Kirillov et al., Panoptic segmentation, CVPR 2019; ids, names, colours and groups of its
category file.

MSRC v2: road is any paved ground, in a station hall as well as on a street, and is unlabelled.
Cars are any motor vehicles with four wheels. Signs are of shops and towns as often as traffic
signs. Face and body are parts of a person. Source: Shotton et al., TextonBoost, ECCV 2006; colours
are the palette of its label images.

Pascal VOC: background is everything outside the other 20 classes, roads and rooms alike, and is
unlabelled. Source: Everingham et al., The Pascal visual object classes challenge, IJCV 2010.

ROB 2018: Source: thesis section 5.3.1: a common model predicts at least 39 classes, the 19 driving
classes of Cityscapes and the 20 indoor classes of ScanNet (Dai et al., CVPR 2017; NYU40 colours).
An indoor class on a road camera indicates content that the model has not learned.

ScanNet: Source: Dai et al., ScanNet, CVPR 2017; ids of NYU40, as in its label images.

Foreign scene: Source: thesis section 5.3, where every pixel of an indoor or negative image is
foreign, whatever it shows.
"""

import numpy as np

from ldn_perception.taxonomy.driving import CITYSCAPES, UNIVERSAL
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, LabelMapping, Taxonomy
from ldn_perception.types import UNLABELLED

_COCO_ROWS: tuple[tuple[int, str, tuple[int, int, int], str, tuple[str, ...]], ...] = (
    # category id, name, color, category, universal classes
    (1, 'person', (220, 20, 60), 'person', ('person', 'rider')),
    (2, 'bicycle', (119, 11, 32), 'vehicle', ('bicycle',)),
    (3, 'car', (0, 0, 142), 'vehicle', ('car',)),
    (4, 'motorcycle', (0, 0, 230), 'vehicle', ('motorcycle',)),
    (5, 'airplane', (106, 0, 228), 'vehicle', ('aircraft or boat',)),
    (6, 'bus', (0, 60, 100), 'vehicle', ('bus',)),
    (7, 'train', (0, 80, 100), 'vehicle', ('train',)),
    (8, 'truck', (0, 0, 70), 'vehicle', ('truck',)),
    (9, 'boat', (0, 0, 192), 'vehicle', ('aircraft or boat',)),
    (10, 'traffic light', (250, 170, 30), 'outdoor', ('traffic light',)),
    (11, 'fire hydrant', (100, 170, 30), 'outdoor', ()),
    (13, 'stop sign', (220, 220, 0), 'outdoor', ('traffic sign',)),
    (14, 'parking meter', (175, 116, 175), 'outdoor', ()),
    (15, 'bench', (250, 0, 30), 'outdoor', ('furniture',)),
    (16, 'bird', (165, 42, 42), 'animal', ('animal',)),
    (17, 'cat', (255, 77, 255), 'animal', ('animal',)),
    (18, 'dog', (0, 226, 252), 'animal', ('animal',)),
    (19, 'horse', (182, 182, 255), 'animal', ('animal',)),
    (20, 'sheep', (0, 82, 0), 'animal', ('animal',)),
    (21, 'cow', (120, 166, 157), 'animal', ('animal',)),
    (22, 'elephant', (110, 76, 0), 'animal', ('animal',)),
    (23, 'bear', (174, 57, 255), 'animal', ('animal',)),
    (24, 'zebra', (199, 100, 0), 'animal', ('animal',)),
    (25, 'giraffe', (72, 0, 118), 'animal', ('animal',)),
    (27, 'backpack', (255, 179, 240), 'accessory', ('accessory',)),
    (28, 'umbrella', (0, 125, 92), 'accessory', ('accessory',)),
    (31, 'handbag', (209, 0, 151), 'accessory', ('accessory',)),
    (32, 'tie', (188, 208, 182), 'accessory', ('accessory',)),
    (33, 'suitcase', (0, 220, 176), 'accessory', ('accessory',)),
    (34, 'frisbee', (255, 99, 164), 'sports', ('accessory',)),
    (35, 'skis', (92, 0, 73), 'sports', ('accessory',)),
    (36, 'snowboard', (133, 129, 255), 'sports', ('accessory',)),
    (37, 'sports ball', (78, 180, 255), 'sports', ('accessory',)),
    (38, 'kite', (0, 228, 0), 'sports', ('accessory',)),
    (39, 'baseball bat', (174, 255, 243), 'sports', ('accessory',)),
    (40, 'baseball glove', (45, 89, 255), 'sports', ('accessory',)),
    (41, 'skateboard', (134, 134, 103), 'sports', ('accessory',)),
    (42, 'surfboard', (145, 148, 174), 'sports', ('accessory',)),
    (43, 'tennis racket', (255, 208, 186), 'sports', ('accessory',)),
    (44, 'bottle', (197, 226, 255), 'kitchen', ('household object',)),
    (46, 'wine glass', (171, 134, 1), 'kitchen', ('household object',)),
    (47, 'cup', (109, 63, 54), 'kitchen', ('household object',)),
    (48, 'fork', (207, 138, 255), 'kitchen', ('household object',)),
    (49, 'knife', (151, 0, 95), 'kitchen', ('household object',)),
    (50, 'spoon', (9, 80, 61), 'kitchen', ('household object',)),
    (51, 'bowl', (84, 105, 51), 'kitchen', ('household object', 'food')),
    (52, 'banana', (74, 65, 105), 'food', ('food',)),
    (53, 'apple', (166, 196, 102), 'food', ('food',)),
    (54, 'sandwich', (208, 195, 210), 'food', ('food',)),
    (55, 'orange', (255, 109, 65), 'food', ('food',)),
    (56, 'broccoli', (0, 143, 149), 'food', ('food',)),
    (57, 'carrot', (179, 0, 194), 'food', ('food',)),
    (58, 'hot dog', (209, 99, 106), 'food', ('food',)),
    (59, 'pizza', (5, 121, 0), 'food', ('food',)),
    (60, 'donut', (227, 255, 205), 'food', ('food',)),
    (61, 'cake', (147, 186, 208), 'food', ('food',)),
    (62, 'chair', (153, 69, 1), 'furniture', ('furniture',)),
    (63, 'couch', (3, 95, 161), 'furniture', ('furniture',)),
    (64, 'potted plant', (163, 255, 0), 'furniture', ('vegetation', 'household object')),
    (65, 'bed', (119, 0, 170), 'furniture', ('furniture',)),
    (67, 'dining table', (0, 182, 199), 'furniture', ('furniture',)),
    (70, 'toilet', (0, 165, 120), 'furniture', ('household object',)),
    (72, 'tv', (183, 130, 88), 'electronic', ('household object',)),
    (73, 'laptop', (95, 32, 0), 'electronic', ('household object',)),
    (74, 'mouse', (130, 114, 135), 'electronic', ('household object',)),
    (75, 'remote', (110, 129, 133), 'electronic', ('household object',)),
    (76, 'keyboard', (166, 74, 118), 'electronic', ('household object',)),
    (77, 'cell phone', (219, 142, 185), 'electronic', ('household object',)),
    (78, 'microwave', (79, 210, 114), 'appliance', ('household object',)),
    (79, 'oven', (178, 90, 62), 'appliance', ('household object',)),
    (80, 'toaster', (65, 70, 15), 'appliance', ('household object',)),
    (81, 'sink', (127, 167, 115), 'appliance', ('household object',)),
    (82, 'refrigerator', (59, 105, 106), 'appliance', ('household object',)),
    (84, 'book', (142, 108, 45), 'indoor', ('household object',)),
    (85, 'clock', (196, 172, 0), 'indoor', ('household object', 'building')),
    (86, 'vase', (95, 54, 80), 'indoor', ('household object',)),
    (87, 'scissors', (128, 76, 255), 'indoor', ('household object',)),
    (88, 'teddy bear', (201, 57, 1), 'indoor', ('accessory',)),
    (89, 'hair drier', (246, 0, 122), 'indoor', ('household object',)),
    (90, 'toothbrush', (191, 162, 208), 'indoor', ('household object',)),
    (92, 'banner', (255, 255, 128), 'textile', ()),
    (93, 'blanket', (147, 211, 203), 'textile', ('household object',)),
    (95, 'bridge', (150, 100, 100), 'building', ('building',)),
    (100, 'cardboard', (168, 171, 172), 'raw-material', ('household object',)),
    (107, 'counter', (146, 112, 198), 'furniture-stuff', ('furniture',)),
    (109, 'curtain', (210, 170, 100), 'textile', ('indoor surface',)),
    (112, 'door-stuff', (92, 136, 89), 'furniture-stuff', ('building', 'indoor surface')),
    (118, 'floor-wood', (218, 88, 184), 'floor', ('indoor surface',)),
    (119, 'flower', (241, 129, 0), 'plant', ('vegetation', 'household object')),
    (122, 'fruit', (217, 17, 255), 'food-stuff', ('food',)),
    (125, 'gravel', (124, 74, 181), 'ground', ('terrain', 'wild ground')),
    (128, 'house', (70, 70, 70), 'building', ('building',)),
    (130, 'light', (255, 228, 255), 'furniture-stuff', ()),
    (133, 'mirror-stuff', (154, 208, 0), 'furniture-stuff', ('indoor surface',)),
    (138, 'net', (193, 0, 92), 'structural', ('fence', 'accessory')),
    (141, 'pillow', (76, 91, 113), 'textile', ('household object',)),
    (144, 'platform', (255, 180, 195), 'ground', ('sidewalk', 'other scenery')),
    (145, 'playingfield', (106, 154, 176), 'ground', ('terrain', 'wild ground')),
    (147, 'railroad', (230, 150, 140), 'ground', ('other scenery',)),
    (148, 'river', (60, 143, 255), 'water', ('water',)),
    (149, 'road', (128, 64, 128), 'ground', ('road', 'sidewalk')),
    (151, 'roof', (92, 82, 55), 'building', ('building',)),
    (154, 'sand', (254, 212, 124), 'ground', ('wild ground',)),
    (155, 'sea', (73, 77, 174), 'water', ('water',)),
    (156, 'shelf', (255, 160, 98), 'furniture-stuff', ('furniture',)),
    (159, 'snow', (255, 255, 255), 'ground', ('wild ground',)),
    (161, 'stairs', (104, 84, 109), 'furniture-stuff', ('building', 'sidewalk', 'indoor surface')),
    (166, 'tent', (169, 164, 131), 'building', ('accessory',)),
    (168, 'towel', (225, 199, 255), 'textile', ('household object',)),
    (171, 'wall-brick', (137, 54, 74), 'wall', ('wall', 'building', 'indoor surface')),
    (175, 'wall-stone', (135, 158, 223), 'wall', ('wall', 'building', 'indoor surface')),
    (176, 'wall-tile', (7, 246, 231), 'wall', ('indoor surface',)),
    (177, 'wall-wood', (107, 255, 200), 'wall', ('indoor surface',)),
    (178, 'water-other', (58, 41, 149), 'water', ('water',)),
    (180, 'window-blind', (183, 121, 142), 'window', ('indoor surface',)),
    (181, 'window-other', (255, 73, 97), 'window', ('building', 'indoor surface')),
    (184, 'tree-merged', (107, 142, 35), 'plant', ('vegetation',)),
    (185, 'fence-merged', (190, 153, 153), 'structural', ('fence',)),
    (186, 'ceiling-merged', (146, 139, 141), 'ceiling', ('indoor surface',)),
    (187, 'sky-other-merged', (70, 130, 180), 'sky', ('sky',)),
    (188, 'cabinet-merged', (134, 199, 156), 'furniture-stuff', ('furniture',)),
    (189, 'table-merged', (209, 226, 140), 'furniture-stuff', ('furniture',)),
    (190, 'floor-other-merged', (96, 36, 108), 'floor', ('indoor surface',)),
    (191, 'pavement-merged', (96, 96, 96), 'ground', ('sidewalk', 'indoor surface')),
    (192, 'mountain-merged', (64, 170, 64), 'solid', ('wild ground',)),
    (193, 'grass-merged', (152, 251, 152), 'plant', ('terrain',)),
    (194, 'dirt-merged', (208, 229, 228), 'ground', ('terrain', 'wild ground')),
    (195, 'paper-merged', (206, 186, 171), 'raw-material', ('household object',)),
    (196, 'food-other-merged', (152, 161, 64), 'food-stuff', ('food',)),
    (197, 'building-other-merged', (116, 112, 0), 'building', ('building',)),
    (198, 'rock-merged', (0, 114, 143), 'solid', ('wild ground',)),
    (199, 'wall-other-merged', (102, 102, 156), 'wall', ('indoor surface',)),
    (200, 'rug-merged', (250, 141, 255), 'textile', ('indoor surface',)),
)

COCO_PANOPTIC = Taxonomy(
    'coco_panoptic',
    tuple(ClassInfo(name, color, Domain.FOREIGN, category)
          for _, name, color, category, _ in _COCO_ROWS),
)

COCO_PANOPTIC_TO_UNIVERSAL = LabelMapping(
    COCO_PANOPTIC, UNIVERSAL, {name: universal for _, name, _, _, universal in _COCO_ROWS})

COCO_THINGS = tuple(name for category_id, name, *_ in _COCO_ROWS if category_id <= 90)
"""Countable classes (things), with one outline per object."""

CATEGORY_ID_TO_CLASS = np.full(256, UNLABELLED, np.uint8)
"""Class id by category id in the files, (256,) uint8; 255 for ids without a class."""
CATEGORY_ID_TO_CLASS[[row[0] for row in _COCO_ROWS]] = np.arange(len(_COCO_ROWS))


_MSRC_ROWS: tuple[tuple[str, tuple[int, int, int], str, tuple[str, ...]], ...] = (
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
    tuple(ClassInfo(
        name, color, Domain.FOREIGN, category) for name, color, category, _ in _MSRC_ROWS),
)

MSRC_V2_TO_UNIVERSAL = LabelMapping(
    MSRC_V2, UNIVERSAL, {name: universal for name, _, _, universal in _MSRC_ROWS})

MSRC_V2_THINGS = (
    'cow', 'horse', 'sheep', 'aeroplane', 'bird', 'book', 'chair', 'cat', 'dog', 'boat',
)
"""Foreign countable classes (things), with one outline per object."""


_VOC_ROWS: tuple[tuple[str, tuple[int, int, int], str, tuple[str, ...]], ...] = (
    # name, color, category, universal classes
    ('background', (0, 0, 0), 'background', ()),
    ('aeroplane', (128, 0, 0), 'vehicle', ('aircraft or boat',)),
    ('bicycle', (0, 128, 0), 'vehicle', ('bicycle',)),
    ('bird', (128, 128, 0), 'animal', ('animal',)),
    ('boat', (0, 0, 128), 'vehicle', ('aircraft or boat',)),
    ('bottle', (128, 0, 128), 'indoor', ('household object',)),
    ('bus', (0, 128, 128), 'vehicle', ('bus',)),
    ('car', (128, 128, 128), 'vehicle', ('car', 'truck')),
    ('cat', (64, 0, 0), 'animal', ('animal',)),
    ('chair', (192, 0, 0), 'indoor', ('furniture',)),
    ('cow', (64, 128, 0), 'animal', ('animal',)),
    ('diningtable', (192, 128, 0), 'indoor', ('furniture',)),
    ('dog', (64, 0, 128), 'animal', ('animal',)),
    ('horse', (192, 0, 128), 'animal', ('animal',)),
    ('motorbike', (64, 128, 128), 'vehicle', ('motorcycle',)),
    ('person', (192, 128, 128), 'person', ('person', 'rider')),
    ('pottedplant', (0, 64, 0), 'indoor', ('vegetation', 'household object')),
    ('sheep', (128, 64, 0), 'animal', ('animal',)),
    ('sofa', (0, 192, 0), 'indoor', ('furniture',)),
    ('train', (128, 192, 0), 'vehicle', ('train',)),
    ('tvmonitor', (0, 64, 128), 'indoor', ('household object',)),
)

PASCAL_VOC = Taxonomy(
    'pascal_voc',
    tuple(ClassInfo(
        name, color, Domain.FOREIGN, category) for name, color, category, _ in _VOC_ROWS),
)

PASCAL_VOC_TO_UNIVERSAL = LabelMapping(
    PASCAL_VOC, UNIVERSAL, {name: universal for name, _, _, universal in _VOC_ROWS})
"""Cars include vans, which are cars or trucks in driving datasets."""

PASCAL_VOC_THINGS = PASCAL_VOC.class_names[1:]
"""Countable classes (things), with one outline per object."""


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


SCANNET = Taxonomy('scannet', ROB2018.classes[ROB2018.num_driving:])
"""Names and colours of the common list of the Robust Vision Challenge."""

NYU40_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
"""NYU40 id of every class, in increasing order."""

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
"""Every room is foreign; its walls, doors and windows are seen from inside."""


FOREIGN_SCENE = Taxonomy(
    'foreign_scene', (ClassInfo('foreign scene', (255, 0, 255), Domain.FOREIGN, 'foreign'),))

FOREIGN_SCENE_TO_UNIVERSAL = LabelMapping(FOREIGN_SCENE, UNIVERSAL, {
    'foreign scene': UNIVERSAL.class_names[UNIVERSAL.num_driving:],
})
"""Every foreign class is correct, and no driving class is."""
