# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from ldn_perception.data.road_changes import paint_road

HEIGHT, WIDTH = 120, 160
MEADOW = np.full((HEIGHT, WIDTH, 3), (60, 140, 40), np.uint8)
GROUND_ROW = 50
GROUND = np.zeros((HEIGHT, WIDTH), np.bool_)
GROUND[GROUND_ROW:] = True


def _painted(seed, paintable=GROUND):
    return paint_road(MEADOW, paintable, np.random.default_rng(seed))


@pytest.mark.parametrize('seed', range(10))
def test_road_lies_on_the_ground_and_all_else_stays(seed):
    before = MEADOW.copy()
    image, road = _painted(seed)
    assert (image.dtype, image.shape) == (np.uint8, MEADOW.shape)
    assert (road.dtype, road.shape) == (np.bool_, GROUND.shape)
    assert not road[~GROUND].any()
    np.testing.assert_array_equal(image[:GROUND_ROW - 4], MEADOW[:GROUND_ROW - 4])
    np.testing.assert_array_equal(MEADOW, before)
    if road.any():
        assert (image[road] != MEADOW[road]).any(-1).mean() > 0.95


def test_road_gets_wider_towards_the_camera():
    everywhere = np.ones_like(GROUND)
    shares = [_painted(seed, everywhere)[1].mean(axis=1) for seed in range(100)]
    whole = [share for share in shares if share[-1] > 0.2]
    assert len(whole) > 80
    mean = np.mean(whole, axis=0)
    assert mean[:10].max() == 0  # above the horizon
    assert mean[40] < mean[60] < mean[80] < mean[-1]


def test_roads_begin_and_end_in_many_places():
    ends = [np.argwhere(road)[0] / (HEIGHT, WIDTH) for road in (
        _painted(seed, np.ones_like(GROUND))[1] for seed in range(60)) if road.any()]
    rows, columns = np.transpose(ends)
    assert rows.min() < 0.25
    assert rows.max() > 0.5
    assert columns.min() < 0.3
    assert columns.max() > 0.7


def test_surfaces_differ_in_brightness_and_colour_and_some_are_marked():
    colours, contrasts = [], []
    for seed in range(60):
        image, road = _painted(seed)
        pixels = image[road].astype(float)
        if len(pixels) > 500:
            colours.append(pixels.mean(axis=0))
            grey = pixels.mean(axis=1)
            contrasts.append(np.percentile(grey, 99.5) / np.median(grey))
    colours = np.array(colours)
    brightness = colours.mean(axis=1) / MEADOW.mean()
    assert brightness.min() < 0.75
    assert brightness.max() > 1.3
    brown = colours[:, 0] > 1.15 * colours[:, 2]
    assert 0.2 < brown.mean() < 0.7
    assert (np.array(contrasts) > 1.3).any()


def test_nothing_paintable_is_nothing_painted():
    image, road = _painted(0, np.zeros_like(GROUND))
    np.testing.assert_array_equal(image, MEADOW)
    assert not road.any()
