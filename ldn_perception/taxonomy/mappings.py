# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label mappings from the taxonomy of a dataset to that of a network."""

from ldn_perception.errors import TaxonomyError
from ldn_perception.taxonomy.driving import (
    CAMVID_TO_UNIVERSAL,
    CITYSCAPES,
    IDD_LITE_TO_UNIVERSAL,
    KITTI11_TO_UNIVERSAL,
    LABEL_ME_FACADE_TO_UNIVERSAL,
    MAPILLARY_TO_UNIVERSAL,
    SURROUNDING_CLASSES,
    SYNTHETIC_DRIVE_TO_UNIVERSAL,
    UNIVERSAL,
)
from ldn_perception.taxonomy.everyday import (
    COCO_PANOPTIC_TO_UNIVERSAL,
    FOREIGN_SCENE_TO_UNIVERSAL,
    MSRC_V2_TO_UNIVERSAL,
    PASCAL_VOC_TO_UNIVERSAL,
    ROB2018,
    SCANNET,
    SCANNET_TO_UNIVERSAL,
)
from ldn_perception.taxonomy.taxonomy import LabelMapping, Taxonomy

TO_UNIVERSAL = {mapping.source.name: mapping for mapping in (
    LabelMapping.identity(UNIVERSAL),
    LabelMapping.by_name(CITYSCAPES, UNIVERSAL, {}),
    CAMVID_TO_UNIVERSAL,
    KITTI11_TO_UNIVERSAL,
    IDD_LITE_TO_UNIVERSAL,
    LABEL_ME_FACADE_TO_UNIVERSAL,
    MAPILLARY_TO_UNIVERSAL,
    COCO_PANOPTIC_TO_UNIVERSAL,
    MSRC_V2_TO_UNIVERSAL,
    PASCAL_VOC_TO_UNIVERSAL,
    SCANNET_TO_UNIVERSAL,
    FOREIGN_SCENE_TO_UNIVERSAL,
    SYNTHETIC_DRIVE_TO_UNIVERSAL,
)}
"""Mappings to the universal classes, by name of the dataset's taxonomy."""

_ONLY_UNIVERSAL: dict[str, tuple[str, ...]] = dict.fromkeys(
    SURROUNDING_CLASSES + UNIVERSAL.class_names[UNIVERSAL.num_driving:], ())

_FROM_UNIVERSAL = {mapping.target.name: mapping for mapping in (
    LabelMapping.identity(UNIVERSAL),
    LabelMapping.by_name(UNIVERSAL, CITYSCAPES, _ONLY_UNIVERSAL),
    LabelMapping.by_name(UNIVERSAL, ROB2018, {
        **_ONLY_UNIVERSAL,
        'furniture': (
            'cabinet', 'bed', 'chair', 'sofa', 'table', 'bookshelf', 'counter', 'desk',
            'other furniture'),
        'household object': (
            'picture', 'refrigerator', 'shower curtain', 'toilet', 'sink', 'bathtub'),
        'indoor surface': ('indoor wall', 'floor', 'door', 'window', 'curtain'),
    }),
)}

_DIRECT = {
    (SCANNET.name, ROB2018.name): LabelMapping.by_name(SCANNET, ROB2018, {}),
}
"""Direct mappings that are more precise than the way through the universal classes."""


def label_mapping(source: Taxonomy, target: Taxonomy) -> LabelMapping:
    """Label mapping between the classes of a dataset and those of a network.

    Unless a direct mapping exists, labels pass through their set of universal classes. A label
    whose universal classes are all missing in the target is unlabelled.

    Args:
        source: Class list of the dataset.
        target: Class list of the network.

    Raises:
        TaxonomyError: There is no mapping between the two.
    """
    if source == target:
        return LabelMapping.identity(source)
    if (source.name, target.name) in _DIRECT:
        return _DIRECT[source.name, target.name]
    if source.name not in TO_UNIVERSAL or target.name not in _FROM_UNIVERSAL:
        raise TaxonomyError(
            'label mapping', must_be=f'from one of {", ".join(TO_UNIVERSAL)} to its own classes '
            f'or to one of {", ".join(_FROM_UNIVERSAL)}',
            got=f'{source.name} to {target.name}',
            do='train a network with one of these taxonomies',
        )
    return TO_UNIVERSAL[source.name].then(_FROM_UNIVERSAL[target.name])
