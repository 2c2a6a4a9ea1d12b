# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame, texture
import torch

from ldn_perception.errors import FrameError, StereoError
from ldn_perception.stereo.embeddings import PatchEmbedding
from ldn_perception.stereo.learned_cost import LEARNED_PENALTIES, LearnedCost
from ldn_perception.stereo.matcher import ExternalDisparity, ReducedMatcher
from ldn_perception.stereo.matching_costs import CensusCost, CostShares
from ldn_perception.stereo.opencv_matchers import MODES, BlockMatcher, SemiGlobalBlockMatcher
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher, TorchSemiGlobalMatcher
from ldn_perception.types import DisparityMap, StereoFrame

DISPARITY_PX = 12


def frame_with_both():
    exact = DisparityMap(torch.full((96, 160), float(DISPARITY_PX)), 0, 63)
    return shifted_frame(DISPARITY_PX, external_disparity=exact)


def census(max_disparity=64, **options):
    return SemiGlobalMatcher(CensusCost(), max_disparity=max_disparity, **options)


def learned(max_disparity=64, kind=SemiGlobalMatcher, **options):
    torch.manual_seed(0)
    cost = LearnedCost(
        PatchEmbedding(16), device=options.get('device'), shares=CostShares(32, 2))
    return kind(cost, max_disparity=max_disparity, penalties=LEARNED_PENALTIES, **options)


def learned_in_torch(device):
    return learned(kind=TorchSemiGlobalMatcher, device=torch.device(device))


PAIR_MATCHERS = {
    **{f'sgbm {paths}': lambda paths=paths: SemiGlobalBlockMatcher(
        max_disparity=64, num_paths=paths) for paths in MODES},
    'bm': lambda: BlockMatcher(max_disparity=64),
    'census 4': census,
    'census 8': lambda: census(num_paths=8),
    'learned 4': learned,
    'learned 8': lambda: learned(num_paths=8),
    'learned in torch': lambda: learned_in_torch('cpu'),
    'learned on a GPU': pytest.param(
        lambda: learned_in_torch('cuda'), marks=pytest.mark.skipif(
            not torch.cuda.is_available(), reason='torch sees no GPU')),
    'sgbm at half size': lambda: ReducedMatcher(SemiGlobalBlockMatcher(max_disparity=32), 2),
    'census at a third': lambda: ReducedMatcher(census(22), 3),
}
MATCHERS = {**PAIR_MATCHERS, 'external': ExternalDisparity}

of_pairs = pytest.mark.parametrize('build', PAIR_MATCHERS.values(), ids=PAIR_MATCHERS)


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
        assert result.step > 0

    def test_the_same_pair_gives_the_same_disparity(self, build):
        matcher, frame = build(), frame_with_both()
        np.testing.assert_array_equal(
            matcher.match(frame).to_host(), matcher.match(frame).to_host())

    def test_confidence_is_in_its_range_and_zero_where_nothing_is_known(self, build):
        matcher = build()
        result = matcher.match(frame_with_both())
        assert (result.confidence is not None) == matcher.gives_confidence
        if result.confidence is not None:
            confidence = result.confidence.cpu().numpy()
            assert confidence.dtype == np.float32
            assert confidence.shape == result.values.shape
            assert ((confidence >= 0) & (confidence <= 1)).all()
            known = np.isfinite(result.to_host())
            assert (confidence[~known] == 0).all()
            assert np.median(confidence[known]) > 0.3

    def test_density_is_the_part_that_is_known(self, build):
        result = build().match(frame_with_both())
        assert result.density == np.isfinite(result.to_host()).mean()
        assert result.problem == ''


@of_pairs
class TestPairMatcherContract:
    @pytest.mark.parametrize('side', ['left', 'right'])
    @pytest.mark.parametrize('level', [0, 127])
    def test_of_one_colour_nothing_is_known_and_it_says_why(self, build, side, level):
        blank = np.full((96, 160, 3), level, np.uint8)
        result = build().match(shifted_frame(DISPARITY_PX, **{side: blank}))
        assert result.problem == f'the {side} image has a single colour'
        assert np.isnan(result.to_host()).all()
        assert result.density == 0
        assert result.confidence is None or (result.confidence == 0).all()

    def test_a_mirrored_pair_is_not_matched(self, build):
        frame = shifted_frame(DISPARITY_PX)
        swapped = shifted_frame(DISPARITY_PX, left=frame.right, right=frame.left)
        agrees = np.abs(build().match(swapped).to_host() - DISPARITY_PX) < 1
        assert agrees.mean() < 0.05

    def test_the_left_border_is_seen_and_nothing_outside_of_the_right_image(self, build):
        values = build().match(shifted_frame(DISPARITY_PX)).to_host()
        assert np.isfinite(values[8:-8, DISPARITY_PX + 8:60]).mean() > 0.9
        assert not (values > np.arange(values.shape[1])).any()

    def test_images_may_be_views(self, build):
        frame = shifted_frame(DISPARITY_PX)
        wide = np.zeros((96, 200, 3), np.uint8)
        wide[:, :160] = frame.left
        view = shifted_frame(DISPARITY_PX, left=wide[:, :160])
        matcher = build()
        np.testing.assert_array_equal(
            matcher.match(view).to_host(), matcher.match(frame).to_host())

    def test_images_are_not_changed(self, build):
        frame = shifted_frame(DISPARITY_PX)
        left, right = frame.left.copy(), frame.right.copy()
        build().match(frame)
        np.testing.assert_array_equal(frame.left, left)
        np.testing.assert_array_equal(frame.right, right)

    @pytest.mark.parametrize(('width', 'height'), [(70, 1), (71, 2), (97, 7), (67, 33)])
    def test_small_and_odd_images_are_matched(self, build, width, height):
        image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
        frame = StereoFrame(0, '', image, image.copy(), geometry(width, height))
        assert build().match(frame).values.shape == (height, width)

    def test_a_right_image_is_wanted(self, build):
        exact = DisparityMap(torch.zeros(96, 160), 0, 63)
        with pytest.raises(StereoError, match=(
            r'frame for a stereo matcher must be one with a right image, got none: set stereo')
        ) as caught:
            build().match(shifted_frame(right=None, external_disparity=exact))
        assert caught.value.reason == 'no_right_image'

    def test_images_wider_than_the_search_are_wanted(self, build):
        with pytest.raises(StereoError, match=(
            r'width of the images to match must be > the farthest search, \d+ px, got \d+ px: '
            r'bring stereo.min_disparity and stereo.max_disparity nearer')) as caught:
            build().match(shifted_frame(4, 60))
        assert caught.value.reason == 'too_narrow'


@pytest.mark.parametrize('build', [
    lambda **options: SemiGlobalBlockMatcher(**options),
    lambda **options: BlockMatcher(**options),
    lambda **options: SemiGlobalMatcher(CensusCost(), **options),
], ids=['sgbm', 'bm', 'census'])
class TestRanges:
    @pytest.mark.parametrize(
        ('low', 'high', 'shift_px'), [(-32, 0, -9), (-16, 16, -5), (8, 40, 12)])
    def test_the_range_may_begin_anywhere(self, build, low, high, shift_px):
        wide = texture(200, 60)
        left, right = wide[:, 30:150], wide[:, 30 + shift_px:150 + shift_px]
        frame = StereoFrame(0, '', left.copy(), right.copy(), geometry(120, 60))
        values = build(min_disparity=low, max_disparity=high).match(frame).to_host()
        inside = values[10:-10, 25:-25]
        assert np.isfinite(inside).mean() > 0.9
        assert np.nanmedian(np.abs(inside - shift_px)) < 0.1
        column = np.arange(120) - values
        assert not ((column < 0) | (column > 119)).any()

    def test_the_search_may_not_reach_beyond_the_image_on_either_side(self, build):
        for low, high in ((0, 160), (-160, 0)):
            with pytest.raises(StereoError, match=r'> the farthest search, 160 px, got 160 px'):
                build(min_disparity=low, max_disparity=high).match(shifted_frame())


def test_images_of_different_sizes_do_not_reach_a_matcher():
    with pytest.raises(FrameError, match=r'right image must be \(96, 160, 3\) uint8'):
        shifted_frame(right=np.zeros((96, 158, 3), np.uint8))


def test_the_external_matcher_wants_a_disparity():
    with pytest.raises(StereoError, match=(
        r'frame for the external matcher must be one with an external disparity, got none')):
        ExternalDisparity().match(shifted_frame())


def test_blocks_too_small_for_opencv_are_refused():
    with pytest.raises(StereoError, match=(
        r'stereo.block_size must be >= 5 for the bm matcher, got 3: take 15, or 0 for the')):
        BlockMatcher(block_size=3)
