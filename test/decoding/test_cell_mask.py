# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The bounds the mask rests on, against logarithms of sums in double precision."""

import numpy as np
import pytest

from ldn_perception.decoding import cell_mask
from ldn_perception.decoding.cell_labels import (
    BLOCK,
    DRIVING,
    FOREIGN,
    measure_samples,
    padded_width,
)

NUM_CLASSES, NUM_DRIVING, WIDTH = 12, 7, 40
DOMAINS = {DRIVING: slice(0, NUM_DRIVING), FOREIGN: slice(NUM_DRIVING, NUM_CLASSES)}
ROUNDING = 1e-4


def log_sum(values):
    largest = values.max(0)
    return largest + np.log(np.exp(values - largest).sum(0))


@pytest.fixture(params=[0.3, 3.0, 40.0], ids=lambda spread: f'spread {spread}')
def measured(request):
    scores = np.random.default_rng(0).normal(0, request.param, (2, WIDTH, NUM_CLASSES))
    scores = scores.astype(np.float32)
    shape = (2, 2, padded_width(WIDTH))
    planes = np.empty((2, NUM_CLASSES, shape[2]), np.float32)
    best, second = np.empty(shape, np.float32), np.empty(shape, np.float32)
    winner = np.empty(shape, np.int32)
    measure_samples(scores, 0, NUM_DRIVING, planes, best, second, winner)
    return planes, best, winner


def bounds_of(planes, best):
    bounds = np.empty((2, 4, planes.shape[2] - 1), np.float32)
    scratch = np.empty(8 * BLOCK, np.float32)
    for domain, classes in DOMAINS.items():
        for left in range(0, bounds.shape[2], BLOCK):
            cell_mask._bound_below(
                planes[0], planes[1], best[0, domain], best[1, domain], classes.start,
                classes.stop, left, scratch, bounds[domain])
    return bounds


def corners_of(plane_pair, cells):
    upper, lower = plane_pair
    return [upper[..., :cells], upper[..., 1:cells + 1],
            lower[..., :cells], lower[..., 1:cells + 1]]


def mean_of(corners, y, x):
    weights = ((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x)
    return sum(weight * np.asarray(corner, np.float64)
               for weight, corner in zip(weights, corners, strict=True))


@pytest.mark.parametrize('domain', DOMAINS)
def test_no_point_of_a_cell_is_below_the_lower_bound(measured, domain):
    planes, best, _ = measured
    bounds, corners = bounds_of(planes, best)[domain], corners_of(planes, WIDTH)
    for y, x in np.random.default_rng(1).random((60, 2)):
        truth = log_sum(mean_of(corners, y, x)[DOMAINS[domain]])
        assert (mean_of(bounds[:, :WIDTH], y, x) <= truth + ROUNDING).all()


@pytest.mark.parametrize('domain', DOMAINS)
def test_the_lower_bound_is_reached_in_the_middle_of_a_cell(measured, domain):
    planes, best, _ = measured
    bounds, corners = bounds_of(planes, best)[domain], corners_of(planes, WIDTH)
    truth = log_sum(mean_of(corners, 0.5, 0.5)[DOMAINS[domain]])
    found = mean_of(bounds[:, :WIDTH], 0.5, 0.5)
    np.testing.assert_allclose(found, truth, atol=ROUNDING)


@pytest.mark.parametrize('domain', DOMAINS)
def test_no_point_of_a_cell_is_above_the_mean_of_its_corners(measured, domain):
    planes, best, _ = measured
    sums = np.empty_like(best)
    scratch = np.empty(8 * BLOCK, np.float32)
    for row in range(2):
        for left in range(0, best.shape[2] - 1, BLOCK):
            cell_mask._log_sums(planes[row], best[row], NUM_DRIVING, left, sums[row], scratch)
    np.testing.assert_allclose(
        sums[:, domain, :-1], log_sum(planes.astype(np.float64).swapaxes(0, 1)[DOMAINS[domain]])
        [:, :-1], atol=ROUNDING)
    corners, above = corners_of(planes, WIDTH), corners_of(sums[:, domain], WIDTH)
    for y, x in np.random.default_rng(1).random((60, 2)):
        truth = log_sum(mean_of(corners, y, x)[DOMAINS[domain]])
        assert (mean_of(above, y, x) >= truth - ROUNDING).all()


@pytest.mark.parametrize('shift', [-30, -6, -2, 0, 2, 6, 30])
def test_a_cell_that_its_leaders_settle_is_on_that_side_everywhere(measured, shift):
    planes, best, winner = measured
    least, most = np.float32(shift), np.float32(shift)
    state = np.empty(WIDTH, np.uint8)
    cell_mask._settle_by_leaders(
        planes[0], planes[1], best, winner, NUM_DRIVING, least, most, state)
    corners = corners_of(planes, WIDTH)
    for y, x in np.random.default_rng(1).random((60, 2)):
        logits = mean_of(corners, y, x)
        odds = log_sum(logits[DOMAINS[FOREIGN]]) - log_sum(logits[DOMAINS[DRIVING]])
        assert (odds[state == 0] < shift + ROUNDING).all()
        assert (odds[state == 1] > shift - ROUNDING).all()


def test_leaders_settle_cells_on_both_sides():
    scores = np.zeros((2, WIDTH, NUM_CLASSES), np.float32)
    scores[:, :WIDTH // 2, 3] = 12
    scores[:, WIDTH // 2:, NUM_DRIVING + 1] = 12
    shape = (2, 2, padded_width(WIDTH))
    planes = np.empty((2, NUM_CLASSES, shape[2]), np.float32)
    best, second = np.empty((2, *shape), np.float32)
    winner = np.empty(shape, np.int32)
    magnitude = measure_samples(scores, 0, NUM_DRIVING, planes, best, second, winner)
    state = np.empty(WIDTH, np.uint8)
    cell_mask._settle_by_leaders(
        planes[0], planes[1], best, winner, NUM_DRIVING, np.float32(0), np.float32(0), state)
    assert magnitude == 12
    assert (state[:WIDTH // 2 - 1] == 0).all()
    assert state[WIDTH // 2 - 1] == cell_mask.OPEN
    assert (state[WIDTH // 2:] == 1).all()
