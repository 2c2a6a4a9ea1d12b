# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.errors import TaxonomyError
from ldn_perception.taxonomy import (
    CAMVID,
    CITYSCAPES,
    KITTI11,
    MAPILLARY,
    ROB2018,
    TAXONOMIES,
    UNIVERSAL,
    ClassInfo,
    Domain,
    Taxonomy,
)
from ldn_perception.taxonomy.mappings import TO_UNIVERSAL, label_mapping
from ldn_perception.taxonomy.taxonomy import LabelMapping


def taxonomy(name, *classes):
    return Taxonomy(name, tuple(
        ClassInfo(label, (0, 0, 0), Domain.DRIVING, label) for label in classes))


COARSE = taxonomy('coarse', 'vehicle', 'ground', 'other')
FINE = taxonomy('fine', 'road', 'car', 'bus', 'path')
FINER = taxonomy('finer', 'lane', 'taxi', 'limousine')
SETS = {'vehicle': ('car', 'bus'), 'ground': ('road', 'path'), 'other': ()}


class TestLabelMapping:
    def test_table_marks_the_classes_of_each_set(self):
        np.testing.assert_array_equal(LabelMapping(COARSE, FINE, SETS).table, [
            [False, True, True, False], [True, False, False, True], [False] * 4])

    def test_nothing_in_a_wholly_foreign_image_is_a_driving_class(self):
        target = Taxonomy('target', (
            *FINE.classes, ClassInfo('animal', (0, 0, 0), Domain.FOREIGN, 'animal'),
            ClassInfo('toy', (0, 0, 0), Domain.FOREIGN, 'toy')))
        mapping = LabelMapping(COARSE, target, {
            'vehicle': ('car', 'toy'), 'ground': ('road',), 'other': ()})
        assert mapping.wholly_foreign().sets == {
            'vehicle': ('toy',), 'ground': ('animal', 'toy'), 'other': ('animal', 'toy')}

    def test_wholly_foreign_images_need_foreign_classes(self):
        with pytest.raises(TaxonomyError) as caught:
            LabelMapping(COARSE, FINE, SETS).wholly_foreign()
        assert str(caught.value) == (
            'mapping of wholly foreign images of coarse must be to a taxonomy with foreign '
            'classes, got fine: choose another taxonomy, or remove wholly_foreign')

    def test_identity_is_the_unit_table(self):
        np.testing.assert_array_equal(LabelMapping.identity(FINE).table, np.eye(4, dtype=bool))

    def test_by_name_lets_a_listed_set_win(self):
        mapping = LabelMapping.by_name(
            taxonomy('source', 'car', 'road'), FINE, {'road': ('road', 'path')})
        assert dict(mapping.sets) == {'car': ('car',), 'road': ('road', 'path')}

    def test_one_mapping_after_another_is_the_product_of_their_tables(self):
        following = LabelMapping(FINE, FINER, {
            'road': ('lane',), 'car': ('taxi', 'limousine'), 'bus': ('taxi',), 'path': ()})
        first = LabelMapping(COARSE, FINE, SETS)
        joined = first.then(following)
        expected = first.table.astype(int) @ following.table.astype(int) > 0
        np.testing.assert_array_equal(joined.table, expected)
        assert joined.sets['vehicle'] == ('taxi', 'limousine')

    def test_mapping_from_elsewhere_cannot_follow(self):
        sentence = 'mapping that follows one to fine must be from fine, got from coarse'
        with pytest.raises(TaxonomyError, match=sentence):
            LabelMapping(COARSE, FINE, SETS).then(LabelMapping.identity(COARSE))

    @pytest.mark.parametrize(('sets', 'sentence'), [
        ({'vehicle': ('car',)}, r"a set for every source class, got none for \['ground', 'other'"),
        ({**SETS, 'boat': ()}, r"must be made of classes of coarse, got \['boat'\]"),
        ({**SETS, 'other': ('tram',)}, r"must be made of classes of fine, got \['tram'\]"),
    ])
    def test_sets_that_do_not_fit_are_refused(self, sets, sentence):
        with pytest.raises(TaxonomyError, match=f'mapping from coarse to fine must be .*{sentence}'
                           if 'every' in sentence else sentence):
            LabelMapping(COARSE, FINE, sets)


class TestMappings:
    @pytest.mark.parametrize('name', TAXONOMIES)
    def test_every_taxonomy_maps_onto_itself(self, name):
        same = TAXONOMIES[name]
        np.testing.assert_array_equal(
            label_mapping(same, same).table, np.eye(len(same), dtype=bool))

    @pytest.mark.parametrize('name', TO_UNIVERSAL)
    def test_towards_cityscapes_the_universal_sets_lose_their_foreign_classes(self, name):
        source = TAXONOMIES[name]
        universal = label_mapping(source, UNIVERSAL)
        restricted = label_mapping(source, CITYSCAPES)
        np.testing.assert_array_equal(
            restricted.table, np.eye(19, dtype=bool) if name == 'cityscapes'
            else universal.table[:, :19])

    @pytest.mark.parametrize('source', [CAMVID, KITTI11])
    def test_eleven_classes_share_the_19_out_among_them(self, source):
        table = label_mapping(source, CITYSCAPES).table
        np.testing.assert_array_equal(table.sum(axis=0), 1)
        assert table.any(axis=1).all()

    def test_a_tram_in_camvid_is_a_car(self):
        sets = label_mapping(CAMVID, CITYSCAPES).sets
        assert set(sets['car']) == {'car', 'truck', 'bus', 'train'}
        assert 'motorcycle' in sets['bicyclist']
        assert 'train' not in sets['bicyclist']

    def test_an_animal_is_foreign_and_teaches_a_driving_network_nothing(self):
        assert label_mapping(MAPILLARY, UNIVERSAL).sets['animal--bird'] == ('animal',)
        assert label_mapping(MAPILLARY, CITYSCAPES).sets['animal--bird'] == ()

    def test_mapillary_teaches_every_driving_class(self):
        assert label_mapping(MAPILLARY, CITYSCAPES).table.any(axis=0).all()

    def test_furniture_is_indoor_furniture(self):
        sets = label_mapping(UNIVERSAL, ROB2018).sets
        assert 'sofa' in sets['furniture']
        assert sets['animal'] == ()
        indoor = {name for group in sets.values() for name in group} - set(CITYSCAPES.class_names)
        assert indoor == set(ROB2018.class_names[19:])

    def test_a_pair_nothing_is_known_of_is_refused(self):
        sentence = 'label mapping must be from one of .*camvid.* or to one of universal, ' \
            'cityscapes, rob2018, got cityscapes to camvid'
        with pytest.raises(TaxonomyError, match=sentence):
            label_mapping(CITYSCAPES, CAMVID)
