# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Census codes and Hamming distances against pixel-by-pixel loops."""

import numpy as np
import pytest

from ldn_perception.errors import StereoError
from ldn_perception.stereo.matching_costs import CensusCost


def grey_rgb(height, width, seed=0, levels=256):
    plane = np.random.default_rng(seed).integers(0, levels, (height, width), np.uint8)
    return np.repeat(plane[..., None], 3, 2)


def obvious_codes(image, window_width, window_height):
    height, width = image.shape[:2]
    codes = np.zeros((height, width), np.uint64)
    for y in range(height):
        for x in range(width):
            bits = ''
            for i in range(-(window_height // 2), window_height // 2 + 1):
                for j in range(-(window_width // 2), window_width // 2 + 1):
                    if (i, j) != (0, 0):
                        neighbour = image[np.clip(y + i, 0, height - 1),
                                          np.clip(x + j, 0, width - 1), 0]
                        bits += '1' if neighbour < image[y, x, 0] else '0'
            codes[y, x] = int(bits, 2)
    return codes


@pytest.mark.parametrize('window', [(3, 3), (7, 7), (9, 7), (11, 5), (13, 5), (1, 3)])
@pytest.mark.parametrize('shape', [(9, 14), (3, 5), (1, 1)])
def test_codes_are_those_of_a_loop_over_neighbours(window, shape):
    image = grey_rgb(*shape, levels=5)
    np.testing.assert_array_equal(
        CensusCost(*window, num_threads=2).codes(image), obvious_codes(image, *window))


@pytest.mark.parametrize(('min_disparity', 'num_disparities'), [
    (0, 1), (0, 7), (3, 5), (-4, 9), (-30, 60), (20, 4), (-25, 4)])
def test_costs_are_numbers_of_different_bits(min_disparity, num_disparities):
    left, right = grey_rgb(6, 17, 1), grey_rgb(6, 17, 2)
    cost = CensusCost(5, 3, num_threads=2)
    costs = cost.compute(left, right, min_disparity, num_disparities)
    assert costs.dtype == np.uint8
    codes = [obvious_codes(image, 5, 3) for image in (left, right)]
    for y, x, d in np.ndindex(6, 17, num_disparities):
        column = x - min_disparity - d
        expected = cost.outside_cost
        if 0 <= column < 17:
            expected = bin(int(codes[0][y, x]) ^ int(codes[1][y, column])).count('1')
        assert costs[y, x, d] == expected, (y, x, d)


def test_all_64_bits_count():
    image = np.full((5, 13, 3), 9, np.uint8)
    image[2, 6] = 200
    dark = 255 - image
    cost = CensusCost(13, 5)
    assert cost.codes(image)[2, 6] == 2**64 - 1
    assert cost.compute(image, dark, 0, 1)[2, 6, 0] == 64


def test_exposure_does_not_change_costs():
    left, right = (grey_rgb(8, 20, seed, levels=100) for seed in (3, 4))
    brighter = right * 2 + 30
    cost = CensusCost()
    np.testing.assert_array_equal(
        cost.compute(left, right, 0, 8), cost.compute(left, brighter.astype(np.uint8), 0, 8))


def test_threads_do_not_change_costs():
    left, right = grey_rgb(23, 31, 5), grey_rgb(23, 31, 6)
    np.testing.assert_array_equal(
        CensusCost(num_threads=1).compute(left, right, -2, 9),
        CensusCost(num_threads=5).compute(left, right, -2, 9))


def test_cost_outside_of_the_right_image_is_three_eighths_of_the_bits():
    assert CensusCost(11, 5).outside_cost == 20
    assert CensusCost(3, 3).outside_cost == 3


@pytest.mark.parametrize('window', [(4, 5), (5, 4), (1, 1), (9, 9), (-3, -3)])
def test_impossible_window_is_refused(window):
    with pytest.raises(StereoError, match=(
            'census window must be odd in width and height with 2 to 65 pixels, got '
            f'{window[0]}x{window[1]}: take 11x5 or 9x7')):
        CensusCost(*window)
