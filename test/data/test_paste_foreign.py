# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.foreign_cutouts import Cutout, paste_foreign

SHAPE = (120, 200)


class OneCutout:
    """Stands for a collection with a single thing in it."""

    def __init__(self, cutout):
        self.cutout = cutout

    def choose(self, rng):
        return self.cutout


def disc(level=200, size=80):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    mask = rows ** 2 + columns ** 2 < (size / 2 - 1) ** 2
    image = np.zeros((size, size, 3), np.uint8)
    image[mask] = level
    return Cutout(image, mask, 7)


def street(level=90):
    noise = np.random.default_rng(5).integers(-8, 9, (*SHAPE, 3))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def pastes(cutout, count=40, image=None, ground=None):
    rng = np.random.default_rng(11)
    image = street() if image is None else image
    return [paste_foreign(image, OneCutout(cutout), rng, ground) for _ in range(count)]


def test_only_the_thing_and_its_edge_change():
    image = street()
    before = image.copy()
    for paste in pastes(disc(), image=image):
        changed = (paste.image != image).any(-1)
        grown = np.zeros(SHAPE, np.bool_)
        for row in range(-3, 4):
            for column in range(-3, 4):
                grown |= np.roll(paste.mask, (row, column), (0, 1))
        assert paste.mask.any()
        assert not (changed & ~grown).any()
        assert changed[paste.mask].mean() > 0.9
        assert paste.class_id == 7
    np.testing.assert_array_equal(image, before)


def test_a_thing_has_the_size_it_may_have_and_stands_in_the_lower_half():
    heights = []
    for paste in pastes(disc(), 80):
        rows = np.flatnonzero(paste.mask.any(1))
        heights.append(rows[-1] - rows[0] + 1)
        assert rows[-1] >= SHAPE[0] // 2 - 3
    # 6 to 50 % of the image's height, less the pixel that the mask loses on each side
    assert 3 <= min(heights) < 12
    assert 40 < max(heights) <= 60


def test_a_thing_stands_on_the_ground_that_is_given():
    ground = np.zeros(SHAPE, np.bool_)
    ground[70:80, 40:60] = True
    for paste in pastes(disc(), ground=ground):
        rows, columns = np.nonzero(paste.mask)
        assert 66 <= rows.max() < 80
        assert 38 <= columns.mean() <= 62


def test_without_any_ground_a_thing_stands_somewhere():
    none = np.zeros(SHAPE, np.bool_)
    assert all(paste.mask.any() for paste in pastes(disc(), 10, ground=none))


def test_a_thing_is_mirrored_every_other_time():
    cutout = disc()
    cutout.mask[:, 40:] = False
    cutout.mask[60:] = True
    ground = np.zeros(SHAPE, np.bool_)
    ground[110, 100] = True
    left = [np.nonzero(paste.mask)[1].mean() < 100 for paste in pastes(cutout, 60, ground=ground)]
    assert 15 < sum(left) < 45


@pytest.mark.parametrize(('thing', 'place'), [(220, 60), (30, 180)])
def test_the_light_of_a_thing_moves_towards_that_of_its_place_but_not_all_the_way(thing, place):
    image = street(place)
    for paste in pastes(disc(thing), 20, image):
        level = np.median(paste.image[paste.mask])
        assert min(thing, place) + 5 < level < max(thing, place) - 5


def test_the_background_of_a_cut_out_does_not_show():
    """A thing on black leaves no dark rim on a street as bright as it is."""
    image = street(200)
    for paste in pastes(disc(200), 20, image):
        assert paste.image.min() > 150


def test_the_same_chance_gives_the_same_paste():
    one, other = pastes(disc(), 3), pastes(disc(), 3)
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.mask, second.mask)
