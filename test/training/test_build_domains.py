# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from training.roads import GRASS, WOODEN_FLOOR, write_roads, write_things

from ldn_perception.errors import DatasetError, TrainingError
from ldn_perception.taxonomy import CAMVID, TAXONOMIES, UNIVERSAL
from ldn_perception.training import build as module
from ldn_perception.training.build import build_domains
from ldn_perception.training.recipe import TrainingRecipe

ROADS = {'dataset': 'camvid', 'root': 'roads'}
THINGS = {'dataset': 'coco_folder', 'root': 'things', 'split': 'all'}
MEADOWS = {**THINGS, 'root': 'meadows'}
FOREIGN = set(UNIVERSAL.class_names[UNIVERSAL.num_driving:])


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    write_roads(folder / 'roads')
    write_things(folder / 'things')
    write_things(folder / 'rooms', behind=WOODEN_FLOOR)
    write_things(folder / 'meadows', behind=GRASS)
    return folder


def _built(data, *domains, taxonomy=UNIVERSAL):
    """The domains, and the names of the classes in the set of a target."""
    recipe = TrainingRecipe.from_values({'domains': domains})
    built, sets = build_domains(recipe.domains, data, taxonomy)

    def names(target):
        return {name for name, inside in zip(
            taxonomy.class_names, sets.table[target], strict=True) if inside}
    return built, names


def _changed(domain):
    """Image, targets and labels of the first image after its one change, and where they differ."""
    sample, [change] = domain.images[0], domain.changes
    before = domain.targets[sample.labels]
    image, targets = change.apply(
        sample.image, before, sample.labels, np.random.default_rng(0))
    assert (targets != before).any()
    return image, targets, sample.labels, targets != before


def test_targets_are_the_sets_of_the_labels(data):
    (road, things), names = _built(data, ROADS, THINGS)
    assert names(road.targets[CAMVID.class_names.index('road')]) == {'road'}
    assert names(road.targets[CAMVID.class_names.index('car')]) == {'car', 'truck', 'bus', 'train'}
    dog = things.images.taxonomy.class_names.index('dog')
    assert names(things.targets[dog]) == {'animal'}
    assert names(road.targets[255]) == set(UNIVERSAL.class_names)


def test_things_are_pasted_on_roads_but_not_on_themselves(data):
    (road, things), names = _built(
        data, {**ROADS, 'paste_share': 1.0}, {**THINGS, 'is_cutout_source': True})
    assert not things.changes
    _, targets, _, changed = _changed(road)
    assert [names(target) for target in np.unique(targets[changed])] == [{'animal'}]


def test_things_are_cut_out_of_wholly_foreign_images_too(data):
    pasted = []
    for foreign in (False, True):
        (road, _), names = _built(
            data, {**ROADS, 'paste_share': 1.0},
            {**THINGS, 'wholly_foreign': foreign, 'is_cutout_source': True})
        image, targets, _, changed = _changed(road)
        pasted.append((image, [names(target) for target in np.unique(targets[changed])]))
    np.testing.assert_array_equal(pasted[0][0], pasted[1][0])
    assert pasted[0][1] == pasted[1][1] == [{'animal'}]


def test_things_are_not_cut_out_for_nobody(data, monkeypatch):
    monkeypatch.delattr(module, 'ForeignCutouts')
    _built(data, ROADS, {**THINGS, 'is_cutout_source': True})


def test_things_cannot_be_cut_out_of_streets(data):
    with pytest.raises(TrainingError, match=(
            'cutout source must be a dataset with classes of coco_panoptic or msrc_v2, got camvid:'
            ' set is_cutout_source for another domain')):
        _built(data, {**ROADS, 'is_cutout_source': True, 'paste_share': 0.5})


def test_wholly_foreign_domain_teaches_no_driving_class(data):
    (_, foreign), names = _built(data, ROADS, {**THINGS, 'wholly_foreign': True})
    classes = foreign.images.taxonomy.class_names
    assert names(foreign.targets[classes.index('dog')]) == {'animal'}
    assert names(foreign.targets[classes.index('road')]) == FOREIGN


def test_domain_can_be_limited_to_photographs_of_one_setting(data):
    (_, under_the_sky), _ = _built(data, ROADS, {**THINGS, 'setting': 'outdoor'})
    assert len(under_the_sky.images) == 5
    with pytest.raises(DatasetError, match=r'indoor images of coco_panoptic must be one or more'):
        _built(data, ROADS, {**THINGS, 'setting': 'indoor'})


@pytest.mark.parametrize('taxonomy', ['universal', 'rob2018'])
def test_setting_does_not_depend_on_the_classes_of_the_network(data, taxonomy):
    (_, in_rooms), _ = _built(
        data, ROADS, {**THINGS, 'root': 'rooms', 'setting': 'indoor'},
        taxonomy=TAXONOMIES[taxonomy])
    assert len(in_rooms.images) == 5


def test_what_tells_the_setting_are_names_of_the_universal_classes():
    assert set(module.INDOOR_CLASSES) | set(module.OUTDOOR_CLASSES) <= set(UNIVERSAL.class_names)
    assert set(module.UPRIGHT_CLASSES) < set(module.OUTDOOR_CLASSES)


def test_roads_of_a_domain_are_resurfaced_and_nothing_else(data):
    (road, things), _ = _built(data, {**ROADS, 'resurfacing_share': 0.5}, THINGS)
    assert not things.changes
    [resurfacing] = road.changes
    assert resurfacing.share == 0.5
    assert np.flatnonzero(resurfacing.road).tolist() == [
        CAMVID.class_names.index(name) for name in ('road', 'pavement')]


def test_scenery_beside_a_road_keeps_its_class_though_its_photograph_is_foreign(data):
    (road, meadows), names = _built(
        data, {**ROADS, 'scenery_share': 1.0},
        {**MEADOWS, 'setting': 'roadless', 'wholly_foreign': True, 'is_scenery_source': True})
    assert not meadows.changes
    grass = meadows.images.taxonomy.class_names.index('grass-merged')
    assert names(meadows.targets[grass]) == FOREIGN
    image, targets, labels, changed = _changed(road)
    assert [names(target) for target in np.unique(targets[changed])] == [{'terrain'}]
    assert (labels[changed] == CAMVID.class_names.index('sky')).all()
    assert not np.array_equal(image, road.images[0].image)


def test_scenery_is_not_looked_for_for_nobody(data, monkeypatch):
    monkeypatch.delattr(module, 'ScenerySource')
    (road, _), _ = _built(data, ROADS, {**THINGS, 'is_scenery_source': True})
    assert not road.changes


def test_roads_are_painted_on_the_grass_of_photographs(data):
    (_, meadows), names = _built(
        data, ROADS, {**MEADOWS, 'setting': 'open', 'painted_road_share': 1.0})
    _, targets, labels, changed = _changed(meadows)
    assert [names(target) for target in np.unique(targets[changed])] == [{'road'}]
    grass = meadows.images.taxonomy.class_names.index('grass-merged')
    assert (labels[changed] == grass).all()


def test_roads_cannot_be_painted_where_nothing_is_a_road_for_certain(data):
    with pytest.raises(TrainingError, match=(
            'labels of all datasets for road must be one that is road for certain, got none: '
            'add a dataset of streets')):
        _built(data, {**MEADOWS, 'painted_road_share': 1.0})


def test_changes_hide_each_other_in_the_order_of_what_is_nearer(data):
    (road, _), _ = _built(
        data, {**ROADS, 'paste_share': 0.5, 'painted_road_share': 0.5, 'scenery_share': 0.5,
               'resurfacing_share': 0.5},
        {**THINGS, 'is_cutout_source': True, 'is_scenery_source': True})
    assert [type(change).__name__ for change in road.changes] == [
        'Resurfacing', 'SceneryChange', 'RoadPainting', 'Pasting']
