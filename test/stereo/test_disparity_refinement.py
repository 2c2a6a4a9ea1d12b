# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks, medians and filling against loops over pixels."""

import numpy as np
import pytest

from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.disparity_refinement import (
    fill_from_background,
    keep_consistent,
    keep_inside,
    median_of_known,
    remove_speckles,
)

NAN = np.nan


def gappy(height, width, share=0.3, seed=0, step=0.25):
    generator = np.random.default_rng(seed)
    values = (generator.integers(0, 40, (height, width)) * step).astype(np.float32)
    values[generator.random((height, width)) < share] = np.nan
    return values


def test_consistent_disparities_are_those_of_a_loop():
    left, right = gappy(9, 30), np.round(gappy(9, 30, seed=1))
    kept = keep_consistent(left, right, 1.0)
    expected = np.full(left.shape, np.nan, np.float32)
    for y, x in np.ndindex(left.shape):
        if not np.isfinite(left[y, x]):
            continue
        point = x - float(left[y, x])
        for column in {int(np.floor(point)), int(np.ceil(point))}:
            if 0 <= column < 30 and abs(right[y, column] - left[y, x]) <= 1:
                expected[y, x] = left[y, x]
    np.testing.assert_array_equal(kept, expected)
    assert 0 < np.isfinite(kept).sum() < np.isfinite(left).sum()


def test_occluded_background_is_inconsistent():
    left = np.full((1, 20), 2, np.float32)
    left[0, 8:14] = 5
    right = np.full((1, 20), 2, np.float32)
    right[0, 3:9] = 5
    known = np.isfinite(keep_consistent(left, right, 0))[0]
    assert np.flatnonzero(~known).tolist() == [0, 1, 5, 6, 7]


def test_negative_disparities_are_checked_too():
    left = np.full((1, 6), -2, np.float32)
    known = np.isfinite(keep_consistent(left, left, 0))[0]
    assert known.tolist() == [True, True, True, True, False, False]


def test_what_points_outside_of_the_right_image_is_unknown():
    disparity = np.array([[0.5, 1, 2.25, -1, -0.25], [0, NAN, 2, 3.25, 4]], np.float32)
    np.testing.assert_array_equal(
        keep_inside(disparity), [[NAN, 1, NAN, -1, NAN], [0, NAN, 2, NAN, 4]])


def test_small_regions_are_removed_and_large_ones_kept():
    disparity = np.full((12, 20), 7.5, np.float32)
    disparity[2:4, 3:6] = 20
    disparity[6:9, 10:14] = 30
    disparity[0, 19] = NAN
    cleaned = remove_speckles(disparity, 6, 2)
    expected = disparity.copy()
    expected[2:4, 3:6] = NAN
    np.testing.assert_array_equal(cleaned, expected)


def test_step_decides_what_is_one_region():
    ramp = np.arange(0, 30, 1.5, dtype=np.float32)[None].repeat(3, 0)
    np.testing.assert_array_equal(remove_speckles(ramp, 10, 1.5), ramp)
    assert np.isnan(remove_speckles(ramp, 10, 1.25)).all()


def test_negative_and_zero_disparities_are_known():
    disparity = np.full((4, 5), -3, np.float32)
    disparity[:, 3:] = 0
    np.testing.assert_array_equal(remove_speckles(disparity, 3, 1), disparity)


def test_size_of_zero_keeps_speckles():
    disparity = gappy(5, 6)
    np.testing.assert_array_equal(remove_speckles(disparity, 0, 1), disparity)


def obvious_median(disparity, side):
    height, width = disparity.shape
    result = np.full_like(disparity, np.nan)
    reach = range(-(side // 2), side // 2 + 1)
    for y, x in np.ndindex(height, width):
        window = [disparity[np.clip(y + i, 0, height - 1), np.clip(x + j, 0, width - 1)]
                  for i in reach for j in reach]
        known = sorted(value for value in window if np.isfinite(value))
        if np.isfinite(disparity[y, x]) or 2 * len(known) > side * side:
            result[y, x] = known[(len(known) - 1) // 2]
    return result


@pytest.mark.parametrize('side', [3, 5])
@pytest.mark.parametrize('share', [0.0, 0.02, 0.3, 0.7, 1.0])
@pytest.mark.parametrize('shape', [(13, 17), (3, 40), (1, 1)])
def test_median_is_that_of_a_loop(side, share, shape):
    disparity = gappy(*shape, share=share)
    np.testing.assert_array_equal(
        median_of_known(disparity, side, RowWorkers(2)), obvious_median(disparity, side))


def test_median_closes_pinholes_and_moves_no_straight_border():
    disparity = np.full((12, 12), 5, np.float32)
    disparity[:, 7:] = NAN
    holed = disparity.copy()
    holed[5, 3] = NAN
    for side in (3, 5):
        np.testing.assert_array_equal(median_of_known(holed, side, RowWorkers()), disparity)


def test_median_of_one_pixel_changes_nothing():
    disparity = gappy(5, 6)
    np.testing.assert_array_equal(median_of_known(disparity, 1, RowWorkers()), disparity)


def test_holes_take_the_farther_neighbour_of_their_row():
    disparity = np.array([[NAN, 9, NAN, NAN, 4, NAN], [3, NAN, 8, NAN, NAN, NAN]], np.float32)
    filled = fill_from_background(disparity)
    np.testing.assert_array_equal(filled, [[9, 9, 4, 4, 4, 4], [3, 3, 8, 8, 8, 8]])


def test_rows_without_disparity_take_the_nearest_row():
    disparity = np.full((6, 2), NAN, np.float32)
    disparity[1], disparity[5] = [2, NAN], [7, 6]
    filled = fill_from_background(disparity)
    np.testing.assert_array_equal(filled[:, 0], [2, 2, 2, 2, 7, 7])
    np.testing.assert_array_equal(filled[:, 1], [2, 2, 2, 2, 6, 6])


def test_known_disparities_survive_filling_and_nothing_remains_unknown():
    disparity = gappy(20, 30, share=0.8)
    filled = fill_from_background(disparity)
    known = np.isfinite(disparity)
    np.testing.assert_array_equal(filled[known], disparity[known])
    assert np.isfinite(filled).all()


def test_nothing_known_remains_unknown():
    assert np.isnan(fill_from_background(np.full((3, 4), NAN, np.float32))).all()
