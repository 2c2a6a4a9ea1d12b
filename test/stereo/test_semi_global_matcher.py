# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The matcher on scenes with known disparity, on real pairs, and on bad input."""

from pathlib import Path

import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame, texture
import torch

from ldn_perception.data.kitti import KittiStereoFolder
from ldn_perception.data.middlebury import Middlebury
from ldn_perception.errors import StereoError
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.stereo.matching_costs import CensusCost
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher
from ldn_perception.types import StereoFrame

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'


def matcher(**options):
    return SemiGlobalMatcher(
        CensusCost(num_threads=2), **{'max_disparity': 32, 'num_threads': 2, **options})


@pytest.mark.parametrize('num_paths', [4, 8])
@pytest.mark.parametrize('size', [(160, 96), (97, 41)])
@pytest.mark.parametrize('disparity_px', [1, 12, 30])
def test_disparity_of_a_wall_is_found(num_paths, size, disparity_px):
    width, height = (side + side % 2 for side in size)
    frame = shifted_frame(disparity_px, width, height)
    rows, columns = slice(0, size[1]), slice(0, size[0])
    odd = StereoFrame(0, '', frame.left[rows, columns].copy(), frame.right[rows, columns].copy(),
                      geometry(*size))
    found = matcher(num_paths=num_paths).match(odd)
    assert found.values.shape == (size[1], size[0])
    assert (found.min_disparity, found.max_disparity, found.step) == (0, 31, 1 / 16)
    values = found.to_host()
    inner = values[:, disparity_px + 6:-6]
    assert np.isfinite(inner).mean() > 0.99
    assert np.nanmax(np.abs(inner - disparity_px)) < 0.5
    assert np.nanmedian(np.abs(inner - disparity_px)) < 0.1
    assert not (values > np.arange(size[0])).any()


@pytest.mark.parametrize('disparity_px', [12, 30])
def test_what_the_right_camera_does_not_see_is_unknown(disparity_px):
    values = matcher().match(shifted_frame(disparity_px)).to_host()
    assert np.isnan(values[:, :disparity_px]).mean() > 0.9


@pytest.mark.parametrize(('min_disparity', 'max_disparity', 'shift_px'), [
    (5, 30, 12), (-16, 16, -7), (-20, -2, -7)])
def test_range_need_not_begin_at_zero(min_disparity, max_disparity, shift_px):
    wide = texture(200, 60)
    left, right = wide[:, 30:150], wide[:, 30 + shift_px:150 + shift_px]
    frame = StereoFrame(0, '', left.copy(), right.copy(), geometry(120, 60))
    found = matcher(min_disparity=min_disparity, max_disparity=max_disparity).match(frame)
    assert (found.min_disparity, found.max_disparity) == (min_disparity, max_disparity - 1)
    inner = found.to_host()[:, 25:-25]
    assert np.isfinite(inner).mean() > 0.99
    assert np.nanmax(np.abs(inner - shift_px)) < 0.5


def step_frame():
    """A box of disparity 14 before a wall of disparity 4."""
    wall, box = texture(220, 80, 1), texture(40, 40, 2)
    left, right = wall[:, 20:180].copy(), wall[:, 24:184].copy()
    left[20:60, 70:110] = box
    right[20:60, 56:96] = box
    truth = np.full((80, 160), 4.0)
    truth[20:60, 70:110] = 14
    return StereoFrame(0, '', left, right, geometry(160, 80)), truth


def test_what_the_box_hides_is_unknown_and_filled_from_the_wall():
    frame, truth = step_frame()
    hidden = (slice(26, 54), slice(60, 70))
    checked = matcher().match(frame).to_host()
    assert np.isnan(checked[hidden]).mean() > 0.8
    known = np.isfinite(checked)
    assert (np.abs(checked - truth)[known] < 1).mean() > 0.98
    filled = matcher(fills_holes=True).match(frame).to_host()
    assert np.isfinite(filled).all()
    assert (np.abs(filled - truth)[hidden] < 1).mean() > 0.8


def test_left_right_check_can_be_left_out():
    frame, _ = step_frame()
    checked, plain = (np.isfinite(matcher(left_right_tolerance=tolerance).match(frame).to_host())
                      for tolerance in (1, -1))
    assert plain[26:54, 60:70].mean() > checked[26:54, 60:70].mean() + 0.5


def test_uniqueness_median_and_speckles_are_passed_on():
    frame, _ = step_frame()
    known = np.isfinite(matcher().match(frame).to_host()).sum()
    assert np.isfinite(matcher(uniqueness_percent=95).match(frame).to_host()).sum() < known
    assert np.isnan(matcher(speckle_size=160 * 80).match(frame).to_host()).all()
    raw = matcher(median_side=1, speckle_size=0).match(frame).to_host()
    assert not np.array_equal(raw, matcher(speckle_size=0).match(frame).to_host(), equal_nan=True)


def test_threads_do_not_change_the_disparity():
    frame, _ = step_frame()
    one = SemiGlobalMatcher(CensusCost(), max_disparity=32).match(frame).to_host()
    np.testing.assert_array_equal(one, matcher(num_threads=3).match(frame).to_host())


def test_any_matching_cost_can_be_plugged_in():
    class BrightnessDifference:
        def compute(self, left, right, min_disparity, num_disparities):
            costs = np.full((*left.shape[:2], num_disparities), 40, np.uint8)
            grey = [image.mean(2) for image in (left, right)]
            for d in range(num_disparities):
                shift = min_disparity + d
                difference = np.abs(grey[0][:, shift:] - grey[1][:, :grey[1].shape[1] - shift])
                costs[:, shift:, d] = difference
            return costs

    found = SemiGlobalMatcher(BrightnessDifference(), max_disparity=32).match(shifted_frame(9))
    assert np.nanmedian(found.to_host()[:, 15:-6]) == pytest.approx(9, abs=0.2)


@pytest.mark.parametrize('side', ['left', 'right'])
@pytest.mark.parametrize('fills_holes', [False, True])
def test_image_of_one_colour_has_no_disparity(side, fills_holes):
    frame = shifted_frame(9, **{side: np.zeros((96, 160, 3), np.uint8)})
    assert np.isnan(matcher(fills_holes=fills_holes).match(frame).to_host()).all()


def test_views_with_foreign_strides_are_matched():
    frame = shifted_frame(12)
    reversed_channels = StereoFrame(
        0, '', frame.left[..., ::-1], frame.right[..., ::-1], frame.geometry)
    assert np.nanmedian(matcher().match(reversed_channels).to_host()) == pytest.approx(12, abs=.1)


def test_confidence_is_higher_where_the_disparity_is_right():
    frame, truth = step_frame()
    noisy = np.random.default_rng(6).normal(0, 25, frame.right.shape) + frame.right
    frame = StereoFrame(0, '', frame.left, np.clip(noisy, 0, 255).astype(np.uint8), frame.geometry)
    found = matcher(left_right_tolerance=-1, median_side=1, speckle_size=0).match(frame)
    error, confidence = np.abs(found.to_host() - truth), found.confidence.numpy()
    right, wrong = error < 1, error > 2
    assert right.sum() > 1000
    assert wrong.sum() > 100
    assert np.median(confidence[right]) > 2 * np.median(confidence[wrong])


def test_what_is_filled_has_no_confidence():
    frame, _ = step_frame()
    matched, filled = (matcher(fills_holes=fills).match(frame) for fills in (False, True))
    torch.testing.assert_close(filled.confidence, matched.confidence)
    assert (filled.confidence[matched.values.isnan()] == 0).all()
    assert filled.density == 1


@pytest.mark.parametrize(('options', 'message'), [
    ({'max_disparity': 1}, 'stereo.max_disparity must be > 1, min_disparity [+] 1, got 1: take'),
    ({'num_paths': 5}, 'stereo.num_paths must be one of 4, 8, got 5: take one in the range'),
    ({'median_side': 4}, 'stereo.median_side must be one of 1, 3, 5, got 4: take'),
    ({'uniqueness_percent': 101},
     r'stereo.uniqueness_percent must be in \[0, 100\], got 101: take'),
])
def test_impossible_option_is_refused(options, message):
    with pytest.raises(StereoError, match=message):
        matcher(**options)


def real_pair(name):
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f'no real pair in {folder}')
    dataset = Middlebury(folder) if name.startswith('middlebury') else KittiStereoFolder(folder)
    return dataset[0]


@pytest.mark.parametrize(('name', 'max_disparity', 'bad_all', 'bad_filled'), [
    ('kitti2015_000046', 128, 0.070, 0.045),
    ('kitti2012_000000', 128, 0.068, 0.035),
    ('middlebury/cones', 64, 0.145, 0.10),
    ('middlebury/teddy', 64, 0.135, 0.10),
])
def test_real_pair_is_matched(name, max_disparity, bad_all, bad_filled):
    pair = real_pair(name)
    for fills_holes, bound in ((False, bad_all), (True, bad_filled)):
        disparity = matcher(max_disparity=max_disparity, fills_holes=fills_holes).match(pair.frame)
        scores = StereoScores()
        scores.accumulate(disparity.to_host(), pair.disparity)
        assert scores.bad_all(3.0) < bound
        assert scores.density > 0.88
