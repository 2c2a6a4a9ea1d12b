# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from ldn_perception.data.dataset_files import hold_out
from ldn_perception.errors import DatasetError


def test_every_fifth_item_is_held_out():
    items = list(range(1, 13))
    assert hold_out('numbers', items, 'val') == [5, 10]
    assert hold_out('numbers', items, 'train') == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12]
    assert hold_out('numbers', items, 'all') == items


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(
            DatasetError, match='split of X must be one of train, val, all, got test: ask for'):
        hold_out('X', [1], 'test')


def test_too_few_items_to_hold_one_out_are_refused():
    with pytest.raises(
            DatasetError, match='X must be 5 or more items of which to hold out, got 4, none in '
            'val: ask for the split train or all'):
        hold_out('X', [1, 2, 3, 4], 'val')
