# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np

from ldn_perception.pictures import (
    ERROR_COLORS,
    ERROR_UNKNOWN_COLOR,
    OOD_COLOR,
    color_disparity,
    color_disparity_error,
    color_labels,
    color_switches,
    overlay,
)
from ldn_perception.taxonomy import CITYSCAPES, ROB2018
from ldn_perception.types import Segmentation


def test_labels_have_the_colours_of_their_classes_and_void_is_black():
    picture = color_labels(np.array([[0, 13, 255]], np.uint8), CITYSCAPES)
    assert picture.tolist() == [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]]


def test_no_class_has_the_colour_of_out_of_distribution():
    assert OOD_COLOR not in {info.color for info in ROB2018.classes}


def test_an_overlay_blends_classes_leaves_void_and_tints_foreign_pixels():
    image = np.full((1, 3, 3), 100, np.uint8)
    segmentation = Segmentation(
        'cityscapes', np.array([[0, 255, 0]], np.uint8), np.array([[False, False, True]]))
    picture = overlay(image, segmentation, CITYSCAPES, 0.5)
    assert picture[0, 0].tolist() == [114, 82, 114]
    assert picture[0, 1].tolist() == [100, 100, 100]
    red, green, blue = picture[0, 2].astype(int)
    assert min(green, blue) > red + 100
    assert (image == 100).all()


def test_an_overlay_without_a_mask_has_no_tint():
    image = np.full((1, 1, 3), 100, np.uint8)
    segmentation = Segmentation('cityscapes', np.array([[255]], np.uint8))
    np.testing.assert_array_equal(overlay(image, segmentation, CITYSCAPES, 0.5), image)


def test_near_is_warm_far_is_cold_and_unknown_is_black():
    near, far, unknown = color_disparity(
        np.array([[60.0, 10.0, math.nan]], np.float32), 64)[0].astype(int)
    assert near[0] > near[2]
    assert far[2] > far[0]
    assert (unknown == 0).all()


def test_switches_stand_beside_each_other_in_the_colours_of_their_levels():
    levels = np.array([[[0, 1]], [[2, 7]], [[8, 255]]], np.uint8)
    picture = color_switches(levels)
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[
        [0, 0, 0], [128, 64, 128],
        [244, 35, 232], [250, 170, 30],
        [220, 220, 0], [255, 255, 255],
    ]]


def test_no_two_levels_have_the_same_colour():
    picture = color_switches(np.arange(10, dtype=np.uint8).reshape(1, 2, 5))
    assert picture.shape == (2, 5, 3)
    assert len({tuple(color) for color in picture.reshape(-1, 3).tolist()}) == 10


def test_errors_of_disparity_change_colour_above_their_steps():
    truth = np.full((2, 8), 10, np.float32)
    disparity = truth + np.float32([0, 1, 1.5, 3, -3.5, 6.5, np.nan, 0])
    truth[:, 7] = np.nan
    drawn = color_disparity_error(disparity, truth)
    assert drawn.shape == (2, 8, 3)
    colors = [tuple(color) for color in drawn[0].tolist()]
    assert colors == [
        ERROR_COLORS[0], ERROR_COLORS[0], ERROR_COLORS[1], ERROR_COLORS[2], ERROR_COLORS[3],
        ERROR_COLORS[4], ERROR_UNKNOWN_COLOR, (0, 0, 0)]


def test_sparse_ground_truth_is_drawn_larger():
    truth = np.full((9, 9), np.nan, np.float32)
    truth[4, 4] = 10
    drawn = color_disparity_error(np.full((9, 9), 10, np.float32), truth)
    assert (drawn[3:6, 3:6] == ERROR_COLORS[0]).all()
    assert drawn.any(-1).sum() == 9
