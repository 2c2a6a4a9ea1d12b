# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Disparity at a part of the size: what goes in, what comes back, and that depth stays."""

import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame
import torch

from ldn_perception.data.message_fields import disparity_fields
from ldn_perception.errors import StereoError
from ldn_perception.pipeline import pixels_per_metre
from ldn_perception.stereo.matcher import ReducedMatcher, reduce_pair
from ldn_perception.stereo.opencv_matchers import SemiGlobalBlockMatcher
from ldn_perception.types import DisparityMap, StereoFrame

DIVISORS = pytest.mark.parametrize('divisor', [2, 3, 4])


class Recorded:
    """Gives a map with a gap and keeps the frame."""

    gives_confidence = True

    def match(self, frame):
        self.frame = frame
        generator = np.random.default_rng(3)
        values = generator.uniform(1, 20, frame.geometry.shape).astype(np.float32)
        values[generator.uniform(size=values.shape) < 0.3] = np.nan
        confidence = np.where(np.isnan(values), 0, generator.uniform(size=values.shape))
        self.given = DisparityMap(
            torch.from_numpy(values), 1, 21, 1 / 16,
            torch.from_numpy(confidence.astype(np.float32)))
        return self.given


@DIVISORS
@pytest.mark.parametrize(('width', 'height'), [(96, 48), (97, 50), (94, 47)])
class TestReducedMatcher:
    def test_every_pixel_gets_that_of_its_block(self, divisor, width, height):
        inner = Recorded()
        image = np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)
        found = ReducedMatcher(inner, divisor).match(
            StereoFrame(0, '', image, image, geometry(width, height)))
        small, large = inner.given, found
        for y, x in np.ndindex(*large.values.shape):
            own = y // divisor, x // divisor
            expected = small.values[own] * divisor
            assert large.values[y, x] == expected or expected.isnan()
            assert large.values[y, x].isnan() == expected.isnan()
            assert large.confidence[y, x] == small.confidence[own]
        assert (large.min_disparity, large.max_disparity) == (divisor, 21 * divisor)
        assert large.step == divisor / 16

    def test_the_small_pair_is_the_mean_of_blocks(self, divisor, width, height):
        image = np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)
        frame = StereoFrame(0, '', image, image.copy(), geometry(width, height))
        small = reduce_pair(frame, divisor)
        assert small.left.shape == (-(-height // divisor), -(-width // divisor), 3)
        for y, x in np.ndindex(height // divisor, width // divisor):
            block = image[y * divisor:(y + 1) * divisor, x * divisor:(x + 1) * divisor]
            assert np.abs(small.left[y, x] - block.mean((0, 1))).max() <= 0.5 + 1e-6

    def test_a_point_has_the_same_depth_and_ray_in_both(self, divisor, width, height):
        frame = StereoFrame(
            0, '', np.zeros((height, width, 3), np.uint8), np.zeros((height, width, 3), np.uint8),
            geometry(width, height, cx_right=width / 2 + 4.0))
        full, small = frame.geometry, reduce_pair(frame, divisor).geometry
        u, v, disparity_px = 20.0, 9.0, 15.0
        depth = full.depth(np.float32([[disparity_px]]))
        np.testing.assert_allclose(
            small.depth(np.float32([[disparity_px / divisor]])), depth, rtol=1e-5)
        # the centre of column u of the full image, in small pixels
        small_u, small_v = ((place + 0.5) / divisor - 0.5 for place in (u, v))
        assert (small_u - small.cx) / small.fx == pytest.approx((u - full.cx) / full.fx)
        assert (small_v - small.cy) / small.fy == pytest.approx((v - full.cy) / full.fy)


def wall(divisor, disparity_px=12):
    frame = shifted_frame(disparity_px, 320, 96)
    found = ReducedMatcher(SemiGlobalBlockMatcher(max_disparity=64 // divisor), divisor).match(
        frame)
    return frame, found


@pytest.mark.parametrize('divisor', [1, 2, 4])
def test_depth_and_apparent_size_do_not_depend_on_the_divisor(divisor):
    frame, found = wall(divisor)
    rig = frame.geometry
    expected = rig.fx * rig.baseline / 12
    assert np.nanmedian(rig.depth(found.to_host())) == pytest.approx(expected, rel=0.03)
    metre = pixels_per_metre(found, rig)
    assert metre.nanmedian().item() == pytest.approx(12 / rig.baseline, rel=0.03)
    fields = disparity_fields(found, rig)
    assert (fields['image']['height'], fields['image']['width']) == rig.shape
    sent = fields['image']['data'].view(np.float32).reshape(rig.shape)
    np.testing.assert_allclose(
        fields['f'] * fields['t'] / sent, rig.depth(found.to_host()), rtol=1e-5)
    assert (fields['min_disparity'], fields['max_disparity']) == (0, 64 - divisor)
    assert fields['delta_d'] == divisor / 16


def test_what_the_matcher_refuses_is_refused():
    exact = DisparityMap(torch.zeros(96, 160), 0, 63)
    with pytest.raises(StereoError, match=r'must be one with a right image, got none'):
        ReducedMatcher(Recorded(), 2).match(shifted_frame(right=None, external_disparity=exact))
