# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from training.tiny import taxonomy

from ldn_perception.errors import TrainingError
from ldn_perception.taxonomy import CAMVID, COCO_PANOPTIC, MSRC_V2, UNIVERSAL
from ldn_perception.taxonomy.mappings import label_mapping
from ldn_perception.taxonomy.taxonomy import LabelMapping
from ldn_perception.training.mixed_batches import LabelSets

CLASSES = taxonomy('network', 'abc', 'x')


def _mapping(name, **sets):
    return LabelMapping(taxonomy(name, ''.join(sets)), CLASSES, sets)


def _names(sets, target):
    return {name for name, inside in zip('abcx', sets.table[target], strict=True) if inside}


def test_every_label_leads_to_the_set_its_dataset_means():
    wide = _mapping('wide', p=('a', 'b'), q=('c',), r=())
    narrow = _mapping('narrow', s=('c',), t=('a',))
    sets = LabelSets([wide, narrow])
    for mapping, targets in zip((wide, narrow), sets.targets, strict=True):
        for label, name in enumerate(mapping.source.class_names):
            expected = set(mapping.sets[name]) or set('abcx')
            assert _names(sets, targets[label]) == expected


def test_same_sets_of_different_datasets_are_one():
    sets = LabelSets([_mapping('one', p=('a',), q=('b', 'c')), _mapping('two', r=('c', 'b'))])
    assert len(sets.table) == 3
    assert sets.targets[1][0] == sets.targets[0][1]


def test_set_of_one_class_is_found_by_its_name():
    sets = LabelSets([_mapping('any', p=('a', 'b'), q=('b',), r=('c',))])
    assert [_names(sets, sets.target_of(name)) for name in 'bc'] == [{'b'}, {'c'}]
    with pytest.raises(TrainingError, match=(
            'labels of all datasets for a must be one that is a for certain, got none: '
            'add a dataset of streets')):
        sets.target_of('a')


def test_unlabelled_pixels_and_empty_or_full_sets_are_unknown():
    sets = LabelSets([_mapping('any', p=('a',), q=(), r=('a', 'b', 'c', 'x'))])
    assert sets.unknown == len(sets.table) - 1 == 1
    assert sets.table[-1].all()
    np.testing.assert_array_equal(sets.targets[0][[0, 1, 2, 3, 200, 255]], [0, 1, 1, 1, 1, 1])


def test_real_domains_agree_with_their_mappings():
    mappings = [label_mapping(source, UNIVERSAL) for source in (CAMVID, COCO_PANOPTIC, MSRC_V2)]
    sets = LabelSets(mappings)
    for mapping, targets in zip(mappings, sets.targets, strict=True):
        for row, target in zip(mapping.table, targets, strict=False):
            np.testing.assert_array_equal(sets.table[target], row if row.any() else True)


def test_more_sets_than_a_byte_numbers_are_refused():
    letters = [chr(number) for number in range(300, 318)]
    network = taxonomy('many', letters)
    pairs = [(one, two) for one in letters for two in letters if one < two]
    mappings = [
        LabelMapping(taxonomy(f'{number}', 'p'), network, {'p': pair})
        for number, pair in enumerate([*pairs, *((one,) for one in letters)])]
    mappings += [
        LabelMapping(taxonomy(f'more {number}', 'p'), network, {'p': letters[:3 + number % 15]})
        for number in range(5)]
    LabelSets(mappings[:255])
    two_thirds = [
        LabelMapping(taxonomy(f't {number}', 'p'), network, {'p': (*pair, letters[-1])})
        for number, pair in enumerate(pairs[:120])]
    with pytest.raises(TrainingError, match=(
            r'labels of all datasets must be at most 255 different sets of classes, got 2[5-9].*'
            'train with fewer datasets')):
        LabelSets([*mappings, *two_thirds])
