# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Semi-global matching in torch against the compiled one, step by step and as a whole."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from stereo.test_disparity_refinement import gappy, obvious_median
from stereo.test_semi_global_aggregation import (
    DIAGONAL,
    PENALTIES,
    STRAIGHT,
    obvious_sums,
    picture,
    volume,
)
from stereo.test_winner_takes_all import obvious_winners
from stereo_frames import geometry, shifted_frame, texture
import torch

from ldn_perception.data.kitti import KittiStereoFolder
from ldn_perception.errors import StereoError
from ldn_perception.hardware import RowWorkers
from ldn_perception.stereo.disparity_refinement import (
    fill_from_background,
    keep_consistent,
    keep_inside,
    median_of_known,
    remove_speckles,
)
from ldn_perception.stereo.embeddings import grey_levels
from ldn_perception.stereo.matching_costs import CensusCost
from ldn_perception.stereo.semi_global_aggregation import aggregate_costs, take_winners
from ldn_perception.stereo.semi_global_matcher import SemiGlobalMatcher, TorchSemiGlobalMatcher
from ldn_perception.stereo.torch_aggregation import aggregate_on_device
from ldn_perception.stereo.torch_refinement import (
    fill_from_background_on_device,
    keep_consistent_on_device,
    keep_inside_on_device,
    median_of_known_on_device,
    remove_speckles_on_device,
    take_winners_on_device,
)
from ldn_perception.types import StereoFrame

DATA = Path(__file__).resolve().parents[3] / 'shared' / 'data'
DEVICES = [
    torch.device('cpu'),
    pytest.param(torch.device('cuda'), marks=pytest.mark.skipif(
        not torch.cuda.is_available(), reason='torch sees no GPU')),
]


class CensusOnDevice(CensusCost):
    """Census costs of tensors, by way of the host: the same integers for both matchers."""

    def compute_on_device(self, left, right, min_disparity, num_disparities):
        costs = self.compute(
            left.cpu().numpy(), right.cpu().numpy(), min_disparity, num_disparities)
        return torch.from_numpy(costs).to(left.device)


def on(device, array):
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


@pytest.mark.parametrize('device', DEVICES, ids=str)
class TestSteps:
    @pytest.mark.parametrize('num_paths', [4, 8])
    @pytest.mark.parametrize('shape', [
        (7, 11, 5), (11, 7, 9), (1, 9, 4), (9, 1, 4), (1, 1, 3), (5, 6, 1), (6, 5, 2)])
    def test_sums_are_those_of_the_equations(self, device, num_paths, shape):
        costs, image = volume(*shape), picture(*shape[:2])
        steps = STRAIGHT + (DIAGONAL if num_paths == 8 else [])
        sums = aggregate_on_device(on(device, costs), on(device, image), PENALTIES, num_paths)
        np.testing.assert_array_equal(
            sums.cpu().numpy(), obvious_sums(costs, image, PENALTIES, steps))

    @pytest.mark.parametrize('num_paths', [4, 8])
    def test_sums_are_those_of_the_compiled_code(self, device, num_paths):
        costs, image = volume(41, 60, 33, top=100), picture(41, 60)
        sums = aggregate_on_device(on(device, costs), on(device, image), PENALTIES, num_paths)
        np.testing.assert_array_equal(sums.cpu().numpy(), aggregate_costs(
            costs, image, PENALTIES, num_paths, RowWorkers()))

    @pytest.mark.parametrize('min_disparity', [0, 3, -4, 30, -30])
    @pytest.mark.parametrize('uniqueness_percent', [0, 10, 60, 100])
    def test_winners_are_those_of_a_loop_and_of_the_compiled_code(
            self, device, min_disparity, uniqueness_percent):
        totals = np.random.default_rng(8).integers(0, 90, (6, 19, 9)).astype(np.uint16)
        found = take_winners_on_device(
            on(device, totals.astype(np.int32)), min_disparity, uniqueness_percent)
        loop = obvious_winners(totals, min_disparity, uniqueness_percent)
        compiled = take_winners(totals, min_disparity, uniqueness_percent, RowWorkers())
        for expected in (loop, compiled):
            for values, wanted in zip(found, expected, strict=True):
                assert values.dtype == torch.float32
                np.testing.assert_allclose(values.cpu().numpy(), wanted, rtol=0, atol=1e-5)

    @pytest.mark.parametrize('num_disparities', [1, 2, 3])
    @pytest.mark.parametrize('level', [0, 7])
    def test_winners_without_rival_are_those_of_the_compiled_code(
            self, device, num_disparities, level):
        totals = np.full((2, 9, num_disparities), level, np.uint16)
        found = take_winners_on_device(on(device, totals.astype(np.int32)), 0, 0)
        compiled = take_winners(totals, 0, 0, RowWorkers())
        for values, wanted in zip(found, compiled, strict=True):
            np.testing.assert_array_equal(values.cpu().numpy(), wanted)

    def test_consistency_is_that_of_the_host(self, device):
        left, right = gappy(9, 30), np.round(gappy(9, 30, seed=1))
        kept = keep_consistent_on_device(on(device, left), on(device, right), 1.0).cpu().numpy()
        np.testing.assert_array_equal(kept, keep_consistent(left, right, 1.0))
        assert 0 < np.isfinite(kept).sum() < np.isfinite(left).sum()

    def test_what_points_outside_is_unknown(self, device):
        disparity = gappy(7, 12) - 3
        np.testing.assert_array_equal(
            keep_inside_on_device(on(device, disparity)).cpu().numpy(), keep_inside(disparity))

    @pytest.mark.parametrize('side', [1, 3, 5])
    @pytest.mark.parametrize('share', [0.0, 0.02, 0.3, 0.7, 1.0])
    @pytest.mark.parametrize('shape', [(13, 17), (3, 40), (1, 1)])
    def test_median_is_that_of_a_loop_and_of_the_host(self, device, side, share, shape):
        disparity = gappy(*shape, share=share)
        found = median_of_known_on_device(on(device, disparity), side).cpu().numpy()
        np.testing.assert_array_equal(found, obvious_median(disparity, side))
        np.testing.assert_array_equal(found, median_of_known(disparity, side, RowWorkers()))

    @pytest.mark.parametrize('size_px', [0, 1, 3, 8, 40, 10000])
    @pytest.mark.parametrize('share', [0.0, 0.3, 0.6])
    def test_regions_are_those_of_opencv(self, device, size_px, share):
        rough = gappy(30, 41, share, step=0.25)
        smooth = np.where(np.isnan(rough), rough, cv2.blur(np.nan_to_num(rough), (5, 5)) - 4)
        for disparity in (rough, smooth.astype(np.float32), np.floor(smooth / 2)):
            found = remove_speckles_on_device(on(device, disparity), size_px, 1.0)
            np.testing.assert_array_equal(
                found.cpu().numpy(), remove_speckles(disparity, size_px, 1.0))

    def test_a_region_that_winds_is_one(self, device):
        disparity = np.full((21, 21), np.nan, np.float32)
        disparity[::2] = 5
        disparity[1::4, -1] = disparity[3::4, 0] = 5
        size_px = int(np.isfinite(disparity).sum())
        for size, remains in ((size_px, 0), (size_px - 1, size_px)):
            kept = remove_speckles_on_device(on(device, disparity), size, 1)
            assert kept.isfinite().sum() == remains

    @pytest.mark.parametrize('share', [0.3, 0.9, 0.995, 1.0])
    def test_holes_are_filled_as_on_the_host(self, device, share):
        for seed in range(5):
            disparity = gappy(20, 30, share, seed)
            np.testing.assert_array_equal(
                fill_from_background_on_device(on(device, disparity)).cpu().numpy(),
                fill_from_background(disparity))

    def test_grey_levels_are_those_of_opencv(self, device):
        image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), np.uint8)
        np.testing.assert_array_equal(
            grey_levels(on(device, image)).cpu().numpy(),
            cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def matchers(device, **options):
    options = {'max_disparity': 32, **options}
    return (SemiGlobalMatcher(CensusCost(), **options),
            TorchSemiGlobalMatcher(CensusOnDevice(), device, **options))


@pytest.mark.parametrize('device', DEVICES, ids=str)
@pytest.mark.parametrize('options', [
    {}, {'num_paths': 8, 'fills_holes': True}, {'min_disparity': -5, 'uniqueness_percent': 15},
    {'left_right_tolerance': -1, 'median_side': 3, 'speckle_size': 20}])
def test_both_matchers_find_the_same(device, options):
    wall, box = texture(220, 80, 1), texture(40, 40, 2)
    left, right = wall[:, 20:180].copy(), wall[:, 24:184].copy()
    left[20:60, 70:110] = box
    right[20:60, 56:96] = box
    right = np.clip(right + np.random.default_rng(0).normal(0, 12, right.shape), 0, 255)
    frame = StereoFrame(0, '', left, right.astype(np.uint8), geometry(160, 80))
    compiled, torched = (matcher.match(frame) for matcher in matchers(device, **options))
    assert torched.values.device.type == device.type
    assert (torched.min_disparity, torched.max_disparity) == (
        compiled.min_disparity, compiled.max_disparity)
    np.testing.assert_allclose(torched.to_host(), compiled.to_host(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        torched.confidence.cpu().numpy(), compiled.confidence.numpy(), rtol=0, atol=1e-5)
    assert compiled.values.isfinite().float().mean() > 0.5


@pytest.mark.parametrize('device', DEVICES, ids=str)
def test_both_matchers_find_the_same_in_a_real_pair(device):
    folder = DATA / 'kitti2015_000046'
    if not folder.is_dir():
        pytest.skip(f'no real pair in {folder}')
    whole = KittiStereoFolder(folder)[0].frame
    rows, columns = slice(150, 250), slice(300, 700)
    frame = StereoFrame(
        0, '', whole.left[rows, columns].copy(), whole.right[rows, columns].copy(),
        geometry(400, 100))
    compiled, torched = (
        matcher.match(frame).to_host() for matcher in matchers(device, max_disparity=64))
    same = np.isclose(torched, compiled, rtol=0, atol=1e-3, equal_nan=True)
    assert same.mean() >= 0.999


def test_a_blank_image_has_no_disparity():
    frame = shifted_frame(9, right=np.zeros((96, 160, 3), np.uint8))
    _, matcher = matchers(torch.device('cpu'), fills_holes=True)
    found = matcher.match(frame)
    assert found.values.isnan().all()
    assert found.problem == 'the right image has a single colour'
    assert not found.confidence.any()


def test_options_are_those_of_the_other_matcher():
    with pytest.raises(StereoError, match=r'stereo\.num_paths must be one of 4, 8, got 5: take'):
        matchers(torch.device('cpu'), num_paths=5)
