# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from stereo_frames import shifted_frame
import torch

from ldn_perception.errors import StereoError
from ldn_perception.frames import DisparityMap
from ldn_perception.stereo.external_disparity import ExternalDisparity
from ldn_perception.stereo.semi_global_block_matcher import MODES, SemiGlobalBlockMatcher

DISPARITY_PX = 12


def frame_with_both():
    exact = DisparityMap(torch.full((96, 160), float(DISPARITY_PX)), 0, 63)
    return shifted_frame(DISPARITY_PX, external_disparity=exact)


MATCHERS = {
    **{f'sgbm {mode}': lambda mode=mode: SemiGlobalBlockMatcher(max_disparity=64, mode=mode)
       for mode in MODES},
    'external': ExternalDisparity,
}


@pytest.mark.parametrize('build', MATCHERS.values(), ids=MATCHERS)
class TestMatcherContract:
    def test_a_wall_has_its_disparity(self, build):
        frame = frame_with_both()
        disparity = build().match(frame).to_host()
        assert disparity.shape == frame.geometry.shape
        assert disparity.dtype == np.float32
        # columns below the disparity have no partner in the right image
        inside = disparity[8:-8, DISPARITY_PX + 8:-8]
        assert np.isfinite(inside).mean() > 0.95
        assert np.nanmedian(np.abs(inside - DISPARITY_PX)) < 0.1

    def test_values_are_unknown_or_in_the_range_it_states(self, build):
        result = build().match(frame_with_both())
        values = result.to_host()
        known = values[np.isfinite(values)]
        assert known.size
        assert ((known >= result.min_disparity) & (known <= result.max_disparity)).all()

    def test_the_same_pair_gives_the_same_disparity(self, build):
        matcher, frame = build(), frame_with_both()
        np.testing.assert_array_equal(
            matcher.match(frame).to_host(), matcher.match(frame).to_host())


def test_sgbm_does_not_match_a_mirrored_pair():
    frame = shifted_frame(DISPARITY_PX)
    swapped = shifted_frame(DISPARITY_PX, left=frame.right, right=frame.left)
    disparity = SemiGlobalBlockMatcher(max_disparity=64).match(swapped).to_host()
    agrees = np.abs(disparity - DISPARITY_PX) < 1
    assert agrees.mean() < 0.05


def test_sgbm_sees_the_left_border_and_nothing_outside_of_the_right_image():
    disparity = SemiGlobalBlockMatcher(max_disparity=64).match(shifted_frame(DISPARITY_PX))
    values = disparity.to_host()
    assert np.isfinite(values[8:-8, DISPARITY_PX + 4:60]).mean() > 0.9
    columns = np.arange(values.shape[1])
    assert not (values > columns).any()


def test_sgbm_takes_images_that_are_views():
    frame = shifted_frame(DISPARITY_PX)
    wide = np.zeros((96, 200, 3), np.uint8)
    wide[:, :160] = frame.left
    view = shifted_frame(DISPARITY_PX, left=wide[:, :160])
    matcher = SemiGlobalBlockMatcher(max_disparity=64)
    np.testing.assert_array_equal(matcher.match(view).to_host(), matcher.match(frame).to_host())


def test_a_black_pair_is_all_but_unknown_or_zero():
    black = np.zeros((96, 160, 3), np.uint8)
    values = SemiGlobalBlockMatcher(max_disparity=64).match(
        shifted_frame(left=black, right=black)).to_host()
    assert values.shape == (96, 160)
    assert not (values > 0).any()


def test_sgbm_wants_a_right_image():
    exact = DisparityMap(torch.zeros(96, 160), 0, 63)
    with pytest.raises(StereoError, match=(
        r'frame for the sgbm matcher must be one with a right image, got none: set stereo')):
        SemiGlobalBlockMatcher().match(shifted_frame(right=None, external_disparity=exact))


def test_sgbm_wants_images_wider_than_its_search():
    with pytest.raises(StereoError, match=(
        r'image width must be > stereo.max_disparity \(160 px\), got 160 px: lower')) as caught:
        SemiGlobalBlockMatcher(max_disparity=160).match(shifted_frame())
    assert caught.value.reason == 'too_narrow'


def test_the_external_matcher_wants_a_disparity():
    with pytest.raises(StereoError, match=(
        r'frame for the external matcher must be one with an external disparity, got none')):
        ExternalDisparity().match(shifted_frame())
