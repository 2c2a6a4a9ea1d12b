# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Class lists of driving datasets, and their mappings to universal classes.

Cityscapes: ids, colours and categories of the benchmark. Source: Cordts et al., The Cityscapes
Dataset, CVPR 2016.

Universal: the foreign classes are groups of COCO, MSRC and ScanNet classes. The originals are too
many to learn from a few hundred photographs, and on a road it matters that an object is in one of
the groups, not in which. Water, wild ground (sand, snow, rock, mountains) and other scenery
(railways, platforms, boards) are not Cityscapes classes, but road cameras see them. They belong to
the driving domain, as they do not indicate a foreign scene. Source: thesis section 5.3, where the
foreign classes are ScanNet's 20; ScanNet maps to these groups too.

CamVid: Source: Brostow et al., Semantic object classes in video, Pattern Recognition Letters 2009,
for the colours; Badrinarayanan et al., SegNet, PAMI 2017, for the merge of its 32 classes into 11.

IDD Lite: Source: Varma et al., IDD: A Dataset for Exploring Problems of Autonomous Navigation in
Unconstrained Environments, WACV 2019, Figure 2: the first level of its label hierarchy.

KITTI11: Source: thesis section 3.3, for the classes in this order; the colours are those of the
authors' public data reader, taken from CamVid.

LabelMeFacade: doors and windows are part of the building; 'various' has no class. Source:
Fröhlich, Rodner and Denzler, A Fast Approach for Pixelwise Labeling of Facade Images, ICPR 2010.

Mapillary Vistas: names, colours and order of the dataset's config.json. Source: Neuhold et al.,
The Mapillary Vistas dataset, ICCV 2017. Where the label policies differ, the universal sets follow
Zendel et al., Unifying panoptic segmentation for autonomous driving, CVPR 2022, table 1 of the
supplement.
"""

import numpy as np

from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, LabelMapping, Taxonomy
from ldn_perception.types import UNLABELLED

_CITYSCAPES_ROWS = (
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
    tuple(ClassInfo(
        name, color, Domain.DRIVING, category) for _, name, color, category in _CITYSCAPES_ROWS),
)

LABEL_ID_TO_CLASS = np.full(256, UNLABELLED, np.uint8)
"""(256,) uint8: id of a Cityscapes *labelIds* image -> class id, 255 for ids not evaluated."""
LABEL_ID_TO_CLASS[[row[0] for row in _CITYSCAPES_ROWS]] = np.arange(len(_CITYSCAPES_ROWS))


_SURROUNDINGS = (
    ('water', (60, 160, 255)),
    ('wild ground', (150, 120, 90)),
    ('other scenery', (120, 90, 140)),
)

_FOREIGN = (
    ('animal', (188, 143, 86)),
    ('furniture', (140, 86, 200)),
    ('household object', (214, 39, 120)),
    ('food', (255, 140, 60)),
    ('accessory', (23, 190, 207)),
    ('aircraft or boat', (0, 110, 130)),
    ('indoor surface', (219, 200, 141)),
)

SURROUNDING_CLASSES = tuple(name for name, _ in _SURROUNDINGS)
"""Driving classes that are not in Cityscapes."""

UNIVERSAL = Taxonomy(
    'universal',
    CITYSCAPES.classes
    + tuple(ClassInfo(name, color, Domain.DRIVING, 'surroundings')
            for name, color in _SURROUNDINGS)
    + tuple(ClassInfo(name, color, Domain.FOREIGN, 'foreign') for name, color in _FOREIGN),
)


SYNTHETIC_DRIVE = Taxonomy(
    'synthetic_drive',
    (*CITYSCAPES.classes, ClassInfo('foreign object', (255, 0, 255), Domain.FOREIGN, 'foreign')),
)

SYNTHETIC_DRIVE_TO_UNIVERSAL = LabelMapping.by_name(SYNTHETIC_DRIVE, UNIVERSAL, {
    'foreign object': (
        'animal', 'furniture', 'household object', 'food', 'accessory', 'aircraft or boat'),
})
"""The drive labels foreign objects as one class; each may be any countable foreign class."""


_CAMVID_ROWS = (
    ('sky', (128, 128, 128), 'sky'),
    ('building', (128, 0, 0), 'construction'),
    ('pole', (192, 192, 128), 'object'),
    ('road', (128, 64, 128), 'flat'),
    ('pavement', (0, 0, 192), 'flat'),
    ('tree', (128, 128, 0), 'nature'),
    ('sign', (192, 128, 128), 'object'),
    ('fence', (64, 64, 128), 'construction'),
    ('car', (64, 0, 128), 'vehicle'),
    ('pedestrian', (64, 64, 0), 'human'),
    ('bicyclist', (0, 128, 192), 'human'),
)

CAMVID = Taxonomy(
    'camvid',
    tuple(ClassInfo(
        name, color, Domain.DRIVING, category) for name, color, category in _CAMVID_ROWS),
)

CAMVID_TO_UNIVERSAL = LabelMapping(CAMVID, UNIVERSAL, {
    'sky': ('sky',),
    'building': ('building', 'wall'),
    'pole': ('pole',),
    'road': ('road',),
    'pavement': ('sidewalk',),
    'tree': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'fence': ('fence',),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
})
"""Follows the merge: building includes walls, bridges and tunnels; tree includes all other
plants, also grass; sign includes traffic lights; car includes every vehicle with four or more
wheels, and trains; bicyclist includes motorcycles. Bicycles and motorcycles are labelled as one
piece with their rider. Pavement includes parking blocks and road shoulders, road includes lane
markings: both stay one class. Pole includes traffic cones, and pedestrian includes prams and
animals; these have too few pixels to widen the sets."""


_IDD_ROWS = (
    ('drivable', (128, 64, 128), 'flat'),
    ('non-drivable', (244, 35, 232), 'flat'),
    ('living thing', (220, 20, 60), 'human'),
    ('vehicle', (0, 0, 142), 'vehicle'),
    ('roadside object', (220, 190, 40), 'object'),
    ('far object', (70, 70, 70), 'construction'),
    ('sky', (70, 130, 180), 'sky'),
)

IDD_LITE = Taxonomy(
    'idd_lite',
    tuple(ClassInfo(name, color, Domain.DRIVING, category) for name, color, category in _IDD_ROWS),
)

IDD_LITE_TO_UNIVERSAL = LabelMapping(IDD_LITE, UNIVERSAL, {
    'drivable': ('road', 'terrain', 'wild ground'),
    'non-drivable': ('sidewalk', 'terrain', 'water', 'wild ground', 'other scenery'),
    'living thing': ('person', 'rider', 'animal'),
    'vehicle': ('car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'),
    'roadside object': (
        'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign',
        'other scenery'),
    'far object': ('building', 'vegetation', 'other scenery'),
    'sky': ('sky',),
})
"""Drivable ground includes parking places and dirt shoulders; roadside objects include kerbs and
billboards; far objects include bridges. Autorickshaws have no class and count as one of the
vehicles."""


_KITTI11_ROWS = (
    ('building', (128, 0, 0), 'construction'),
    ('vegetation', (128, 128, 0), 'nature'),
    ('sky', (128, 128, 128), 'sky'),
    ('road', (128, 64, 128), 'flat'),
    ('fence', (64, 64, 128), 'construction'),
    ('pole', (192, 192, 128), 'object'),
    ('sidewalk', (0, 0, 192), 'flat'),
    ('sign', (192, 128, 128), 'object'),
    ('car', (64, 0, 128), 'vehicle'),
    ('pedestrian', (64, 64, 0), 'human'),
    ('bicyclist', (0, 128, 192), 'human'),
)

KITTI11 = Taxonomy(
    'kitti11',
    tuple(ClassInfo(
        name, color, Domain.DRIVING, category) for name, color, category in _KITTI11_ROWS),
)

KITTI11_TO_UNIVERSAL = LabelMapping.by_name(KITTI11, UNIVERSAL, {
    'building': ('building', 'wall'),
    'vegetation': ('vegetation', 'terrain'),
    'sign': ('traffic sign', 'traffic light'),
    'car': ('car', 'truck', 'bus', 'train'),
    'pedestrian': ('person',),
    'bicyclist': ('rider', 'bicycle', 'motorcycle'),
})
"""The thesis names the classes without a label policy. Each set contains the Cityscapes classes
without another place among the 11, so it may be too wide but is never wrong."""


_FACADE_ROWS = (
    ('road', (128, 64, 0), 'flat'),
    ('pavement', (128, 128, 128), 'flat'),
    ('building', (128, 0, 0), 'construction'),
    ('vegetation', (0, 128, 0), 'nature'),
    ('sky', (0, 128, 128), 'sky'),
    ('car', (128, 0, 128), 'vehicle'),
)

LABEL_ME_FACADE = Taxonomy(
    'label_me_facade',
    tuple(ClassInfo(
        name, color, Domain.DRIVING, category) for name, color, category in _FACADE_ROWS),
)

LABEL_ME_FACADE_TO_UNIVERSAL = LabelMapping.by_name(LABEL_ME_FACADE, UNIVERSAL, {
    'pavement': ('sidewalk',),
    'building': ('building', 'wall'),
    'vegetation': ('vegetation', 'terrain'),
    'car': ('car', 'truck', 'bus'),
})
"""Grass is vegetation and vans are cars in this dataset."""


_MAPILLARY_ROWS: tuple[tuple[str, tuple[int, int, int], tuple[str, ...]], ...] = (
    # name, color, universal classes
    ('animal--bird', (165, 42, 42), ('animal',)),
    ('animal--ground-animal', (0, 192, 0), ('animal',)),
    ('construction--barrier--curb', (196, 196, 196), ('sidewalk',)),
    ('construction--barrier--fence', (190, 153, 153), ('fence',)),
    ('construction--barrier--guard-rail', (180, 165, 180), ()),
    ('construction--barrier--other-barrier', (90, 120, 150), ('wall', 'fence')),
    ('construction--barrier--wall', (102, 102, 156), ('wall',)),
    ('construction--flat--bike-lane', (128, 64, 255), ('road', 'sidewalk')),
    ('construction--flat--crosswalk-plain', (140, 140, 200), ('road',)),
    ('construction--flat--curb-cut', (170, 170, 170), ('sidewalk',)),
    ('construction--flat--parking', (250, 170, 160), ()),
    ('construction--flat--pedestrian-area', (96, 96, 96), ('sidewalk',)),
    ('construction--flat--rail-track', (230, 150, 140), ()),
    ('construction--flat--road', (128, 64, 128), ('road',)),
    ('construction--flat--service-lane', (110, 110, 110), ('road',)),
    ('construction--flat--sidewalk', (244, 35, 232), ('sidewalk',)),
    ('construction--structure--bridge', (150, 100, 100), ()),
    ('construction--structure--building', (70, 70, 70), ('building',)),
    ('construction--structure--tunnel', (150, 120, 90), ()),
    ('human--person', (220, 20, 60), ('person',)),
    ('human--rider--bicyclist', (255, 0, 0), ('rider',)),
    ('human--rider--motorcyclist', (255, 0, 100), ('rider',)),
    ('human--rider--other-rider', (255, 0, 200), ('rider',)),
    ('marking--crosswalk-zebra', (200, 128, 128), ('road',)),
    ('marking--general', (255, 255, 255), ('road',)),
    ('nature--mountain', (64, 170, 64), ('wild ground',)),
    ('nature--sand', (230, 160, 50), ('terrain', 'wild ground')),
    ('nature--sky', (70, 130, 180), ('sky',)),
    ('nature--snow', (190, 255, 255), ('wild ground',)),
    ('nature--terrain', (152, 251, 152), ('terrain',)),
    ('nature--vegetation', (107, 142, 35), ('vegetation',)),
    ('nature--water', (0, 170, 30), ('water',)),
    ('object--banner', (255, 255, 128), ()),
    ('object--bench', (250, 0, 30), ()),
    ('object--bike-rack', (100, 140, 180), ()),
    ('object--billboard', (220, 220, 220), ()),
    ('object--catch-basin', (220, 128, 128), ('road',)),
    ('object--cctv-camera', (222, 40, 40), ()),
    ('object--fire-hydrant', (100, 170, 30), ()),
    ('object--junction-box', (40, 40, 40), ()),
    ('object--mailbox', (33, 33, 33), ()),
    ('object--manhole', (100, 128, 160), ('road',)),
    ('object--phone-booth', (142, 0, 0), ()),
    ('object--pothole', (70, 100, 150), ('road',)),
    ('object--street-light', (210, 170, 100), ()),
    ('object--support--pole', (153, 153, 153), ('pole',)),
    ('object--support--traffic-sign-frame', (128, 128, 128), ('pole',)),
    ('object--support--utility-pole', (0, 0, 80), ('pole',)),
    ('object--traffic-light', (250, 170, 30), ('traffic light',)),
    ('object--traffic-sign--back', (192, 192, 192), ()),
    ('object--traffic-sign--front', (220, 220, 0), ('traffic sign',)),
    ('object--trash-can', (140, 140, 20), ()),
    ('object--vehicle--bicycle', (119, 11, 32), ('bicycle',)),
    ('object--vehicle--boat', (150, 0, 255), ('aircraft or boat',)),
    ('object--vehicle--bus', (0, 60, 100), ('bus',)),
    ('object--vehicle--car', (0, 0, 142), ('car',)),
    ('object--vehicle--caravan', (0, 0, 90), ()),
    ('object--vehicle--motorcycle', (0, 0, 230), ('motorcycle',)),
    ('object--vehicle--on-rails', (0, 80, 100), ('train',)),
    ('object--vehicle--other-vehicle', (128, 64, 64), ()),
    ('object--vehicle--trailer', (0, 0, 110), ()),
    ('object--vehicle--truck', (0, 0, 70), ('truck',)),
    ('object--vehicle--wheeled-slow', (0, 0, 192), ()),
    ('void--car-mount', (32, 32, 32), ()),
    ('void--ego-vehicle', (120, 10, 10), ()),
)

MAPILLARY = Taxonomy(
    'mapillary',
    tuple(ClassInfo(name, color, Domain.DRIVING, name.partition('--')[0])
          for name, color, _ in _MAPILLARY_ROWS),
)
"""All classes are seen from a road, so all are driving classes; ids are indices in config.json."""

MAPILLARY_TO_UNIVERSAL = LabelMapping(
    MAPILLARY, UNIVERSAL, {name: universal for name, _, universal in _MAPILLARY_ROWS})
"""Classes that Cityscapes names but does not evaluate (guard rail, parking, rail track, bridge,
tunnel, caravan, trailer, static objects) are void there and thus unlabelled here. A bike lane is
road or pavement; Vistas does not distinguish them."""
