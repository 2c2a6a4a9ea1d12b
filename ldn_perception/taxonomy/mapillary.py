# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The 65 classes of Mapillary Vistas 1.2, and what they say of the universal classes.

Source: Neuhold et al., The Mapillary Vistas dataset, ICCV 2017; names, colours and order as the
dataset's config.json has them. Where the policies differ the universal sets follow Zendel et al.,
Unifying panoptic segmentation for autonomous driving, CVPR 2022, table 1 of the supplement.
"""

from ldn_perception.taxonomy.label_mapping import LabelMapping
from ldn_perception.taxonomy.taxonomy import ClassInfo, Domain, Taxonomy
from ldn_perception.taxonomy.universal import UNIVERSAL

_ROWS: tuple[tuple[str, tuple[int, int, int], tuple[str, ...]], ...] = (
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
          for name, color, _ in _ROWS),
)
"""All seen from a road, so all driving classes; ids are positions in config.json."""

MAPILLARY_TO_UNIVERSAL = LabelMapping(
    MAPILLARY, UNIVERSAL, {name: universal for name, _, universal in _ROWS})
"""What Cityscapes names but does not evaluate (guard rail, parking, rail track, bridge, tunnel,
caravan, trailer, static things) teaches nothing here either, as it is void there. A bike lane is
road or pavement; Vistas does not say on which it runs."""
