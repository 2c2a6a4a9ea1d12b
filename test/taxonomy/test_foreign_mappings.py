# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.taxonomy import (
    CITYSCAPES,
    COCO_PANOPTIC,
    MSRC_V2,
    PASCAL_VOC,
    UNIVERSAL,
    Domain,
)
from ldn_perception.taxonomy.driving import MAPILLARY_TO_UNIVERSAL, SURROUNDING_CLASSES
from ldn_perception.taxonomy.everyday import (
    CATEGORY_ID_TO_CLASS,
    COCO_PANOPTIC_TO_UNIVERSAL,
    COCO_THINGS,
    MSRC_V2_THINGS,
    MSRC_V2_TO_UNIVERSAL,
    PASCAL_VOC_THINGS,
    PASCAL_VOC_TO_UNIVERSAL,
)

MAPPINGS = [COCO_PANOPTIC_TO_UNIVERSAL, MSRC_V2_TO_UNIVERSAL, PASCAL_VOC_TO_UNIVERSAL]


def test_coco_has_eighty_things_and_fifty_three_kinds_of_stuff():
    assert len(COCO_PANOPTIC) == 133
    assert len(COCO_THINGS) == 80
    assert COCO_PANOPTIC.class_names[:80] == COCO_THINGS


def test_category_ids_of_coco_have_the_published_gaps():
    unused = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91]
    assert (CATEGORY_ID_TO_CLASS[[0, *unused]] == 255).all()
    assert [COCO_PANOPTIC.class_names[CATEGORY_ID_TO_CLASS[category]] for category in (
        1, 21, 90, 92, 200)] == ['person', 'cow', 'toothbrush', 'banner', 'rug-merged']


@pytest.mark.parametrize('taxonomy', [COCO_PANOPTIC, MSRC_V2, PASCAL_VOC], ids=lambda t: t.name)
def test_photographs_are_a_foreign_domain(taxonomy):
    assert all(info.domain is Domain.FOREIGN for info in taxonomy.classes)


@pytest.mark.parametrize('mapping', MAPPINGS, ids=lambda mapping: mapping.source.name)
def test_a_class_with_a_namesake_on_the_road_may_be_that(mapping):
    driving = set(UNIVERSAL.class_names[:UNIVERSAL.num_driving])
    exceptions = {'road'} if mapping.source is MSRC_V2 else set()
    for name in driving & set(mapping.source.class_names) - exceptions:
        assert name in mapping.sets[name]


@pytest.mark.parametrize(('mapping', 'things'), [
    (COCO_PANOPTIC_TO_UNIVERSAL, COCO_THINGS),
    (MSRC_V2_TO_UNIVERSAL, MSRC_V2_THINGS),
    (PASCAL_VOC_TO_UNIVERSAL, PASCAL_VOC_THINGS),
], ids=lambda value: '')
def test_animals_are_animals_wherever_they_come_from(mapping, things):
    named = {'cat', 'dog', 'horse', 'sheep', 'cow', 'bird'}
    assert named <= set(things)
    assert {mapping.sets[name] for name in named} == {('animal',)}


def test_the_same_thing_has_one_group_in_every_dataset():
    for coco, other in (('airplane', 'aeroplane'), ('boat', 'boat'), ('chair', 'chair')):
        sets = {COCO_PANOPTIC_TO_UNIVERSAL.sets[coco], MSRC_V2_TO_UNIVERSAL.sets[other],
                PASCAL_VOC_TO_UNIVERSAL.sets[other]}
        assert len(sets) == 1
    for coco, voc in (('couch', 'sofa'), ('tv', 'tvmonitor'), ('bottle', 'bottle'),
                      ('dining table', 'diningtable'), ('potted plant', 'pottedplant')):
        assert COCO_PANOPTIC_TO_UNIVERSAL.sets[coco] == PASCAL_VOC_TO_UNIVERSAL.sets[voc]


def test_every_class_that_cityscapes_lacks_is_taught_by_coco():
    taught = {name for names in COCO_PANOPTIC_TO_UNIVERSAL.sets.values() for name in names}
    assert set(UNIVERSAL.class_names) - set(CITYSCAPES.class_names) <= taught


def test_what_surrounds_a_road_is_not_foreign_in_any_dataset():
    assert UNIVERSAL.class_names[len(CITYSCAPES):UNIVERSAL.num_driving] == SURROUNDING_CLASSES
    foreign = set(UNIVERSAL.class_names[UNIVERSAL.num_driving:])
    for mapping, names in (
        (COCO_PANOPTIC_TO_UNIVERSAL, ('sea', 'snow', 'sand', 'mountain-merged', 'railroad')),
        (MSRC_V2_TO_UNIVERSAL, ('water', 'mountain')),
        (MAPILLARY_TO_UNIVERSAL, ('nature--water', 'nature--snow', 'nature--mountain')),
    ):
        for name in names:
            assert mapping.sets[name]
            assert not foreign & set(mapping.sets[name])


def test_any_paved_ground_of_msrc_teaches_nothing():
    assert MSRC_V2_TO_UNIVERSAL.sets['road'] == ()
    assert PASCAL_VOC_TO_UNIVERSAL.sets['background'] == ()
