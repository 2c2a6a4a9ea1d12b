# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.road_changes import replace_scenery

HEIGHT, WIDTH = 96, 160
ROAD_ROW = 60
SKY, TREE, COW = 4, 5, 6
IS_SCENERY = np.isin(np.arange(256), (SKY, TREE))
COLOURS = np.zeros((256, 3), np.uint8)
COLOURS[[SKY, TREE, COW]] = (90, 150, 250), (20, 160, 20), (250, 30, 30)
STREET = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
REPLACEABLE = np.zeros((HEIGHT, WIDTH), np.bool_)
REPLACEABLE[:ROAD_ROW] = True


def _photograph(height=120, width=90):
    """The sky over trees, a cow at the left before both, and a frame nobody labelled."""
    labels = np.full((height, width), SKY, np.uint8)
    labels[height // 3:] = TREE
    labels[height // 4:, :width // 4] = COW
    labels[:2] = 255
    return COLOURS[labels], labels


def _replaced(seed, size=(120, 90), replaceable=REPLACEABLE):
    return replace_scenery(
        STREET, replaceable, *_photograph(*size), IS_SCENERY, np.random.default_rng(seed))


@pytest.mark.parametrize('seed', range(10))
def test_only_scenery_hides_and_only_what_may_be_hidden(seed):
    before = STREET.copy()
    mixed, labels, hides = _replaced(seed)
    assert (mixed.dtype, labels.dtype, hides.dtype) == (np.uint8, np.uint8, np.bool_)
    assert mixed.shape == STREET.shape
    assert not hides[ROAD_ROW:].any()
    assert hides.any()
    assert set(np.unique(labels[hides])) <= {SKY, TREE}
    np.testing.assert_array_equal(mixed[ROAD_ROW + 4:], 100)
    np.testing.assert_array_equal(hides[:ROAD_ROW], np.isin(labels[:ROAD_ROW], (SKY, TREE)))
    np.testing.assert_array_equal(STREET, before)


def test_labels_lie_on_the_pixels_they_are_of():
    for seed in range(10):
        mixed, labels, hides = _replaced(seed)
        difference = np.abs(mixed[hides].astype(int) - COLOURS[labels[hides]]).max(axis=1)
        assert (difference < 10).mean() > 0.9


@pytest.mark.parametrize('size', [(120, 90), (30, 200), (96, 160), (400, 500), (1, 1)])
def test_photograph_of_any_size_covers_the_image_upright(size):
    for seed in range(5):
        _, labels, _ = _replaced(seed, size)
        assert labels.shape == (HEIGHT, WIDTH)
        rows = [np.flatnonzero((labels == label).any(axis=1)) for label in (SKY, TREE)]
        if all(map(len, rows)):
            assert rows[0].min() < rows[1].min()


def test_photograph_is_mirrored_half_of_the_time():
    sides = []
    for seed in range(100):
        columns = np.flatnonzero((_replaced(seed)[1] == COW).any(axis=0))
        if len(columns):
            sides.append(columns.mean() < WIDTH / 2)
    assert 0.3 < np.mean(sides) < 0.7


def test_street_without_anything_replaceable_stays_as_it_is():
    mixed, _, hides = _replaced(0, replaceable=np.zeros_like(REPLACEABLE))
    np.testing.assert_array_equal(mixed, STREET)
    assert not hides.any()
