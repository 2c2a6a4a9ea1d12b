# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from stereo_frames import geometry, shifted_frame
import torch

from ldn_perception.errors import FrameError
from ldn_perception.types import DisparityMap, GroundGrid, Segmentation, StereoFrame


def test_depth_is_focal_length_times_baseline_over_disparity():
    rig = geometry(fx=700.0, baseline=0.5, cx=80.0, cx_right=76.0)
    disparity = np.array([[11.0, 39.0, 4.0, 1.0, math.nan]], np.float32)
    expected = [[350 / 7, 10.0, math.nan, math.nan, math.nan]]
    np.testing.assert_allclose(rig.depth(disparity), expected, rtol=1e-6)


def test_depth_and_points_are_never_infinite():
    rig = geometry()
    values = [0.0, -0.0, 1e-45, 1e-38, 1e-9, -1.0, math.inf, -math.inf, math.nan, 3e38]
    disparity = np.full(rig.shape, 1e-6, np.float32)
    disparity[0, :len(values)] = values
    depth = rig.depth(disparity)
    assert np.isnan(depth[0, :len(values) - 1]).all()
    assert not np.isinf(depth).any()
    assert not np.isinf(rig.points(depth)).any()


@pytest.mark.parametrize(('changes', 'text'), [
    ({'fx': math.nan}, r'camera geometry fx must be finite, got nan: check the calibration'),
    ({'fy': 0.0}, r'camera geometry fy must be > 0, got 0.0: calibrate the stereo rig'),
    ({'baseline': -0.1}, r'camera geometry baseline must be > 0, got -0.1'),
    ({'width': 0}, r'camera geometry width must be > 0, got 0'),
])
def test_an_impossible_geometry_is_refused(changes, text):
    with pytest.raises(FrameError, match=text) as caught:
        geometry(**changes)
    assert caught.value.reason == 'calibration'


@pytest.mark.parametrize(('values', 'text'), [
    (torch.zeros(3), r'disparity values must be a \(H, W\) float32 tensor, got \(3,\)'),
    (torch.zeros(3, 4, dtype=torch.float64), r'got \(3, 4\) torch.float64: fix the matcher'),
])
def test_disparity_of_another_shape_or_type_is_refused(values, text):
    with pytest.raises(FrameError, match=text):
        DisparityMap(values, 0, 64)


def test_an_empty_disparity_range_is_refused():
    with pytest.raises(FrameError, match=r'disparity range must be min < max, got \[64, 64\]'):
        DisparityMap(torch.zeros(3, 4), 64, 64)


@pytest.mark.parametrize('confidence', [torch.zeros(3, 5), torch.zeros(3, 4, dtype=torch.float64)])
def test_confidence_must_fit_the_disparity(confidence):
    with pytest.raises(FrameError, match=(
        r'disparity confidence must be \(3, 4\) float32, got .*: fix the matcher')):
        DisparityMap(torch.zeros(3, 4), 0, 64, confidence=confidence)


def test_density_is_the_part_of_known_pixels():
    values = torch.zeros(3, 4)
    values[0, :3] = float('nan')
    assert DisparityMap(values, 0, 64).density == 0.75


@pytest.mark.parametrize(('changes', 'text'), [
    ({'left': np.zeros((96, 160), np.uint8)}, r'left image must be \(96, 160, 3\) uint8 as'),
    ({'right': np.zeros((96, 160, 3), np.float32)}, r'right image must be .* float32: publish'),
    ({'right': None}, r'stereo frame must be a right image or an external disparity, got neither'),
    ({'external_disparity': DisparityMap(torch.zeros(2, 2), 0, 64)},
     r'external disparity must be \(96, 160\) as the left image, got \(2, 2\)'),
])
def test_a_frame_whose_parts_do_not_fit_is_refused(changes, text):
    with pytest.raises(FrameError, match=text):
        shifted_frame(**changes)


def test_a_frame_may_come_with_disparity_instead_of_a_right_image():
    disparity = DisparityMap(torch.zeros(96, 160), 0, 64)
    frame = shifted_frame(right=None, external_disparity=disparity)
    assert isinstance(frame, StereoFrame)


def test_segmentation_parts_have_one_shape():
    with pytest.raises(FrameError, match=r'segmentation ood_mask must be \(2, 3\) bool, got'):
        Segmentation('cityscapes', np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(('cells', 'resolution', 'text'), [
    (np.zeros((2, 3), np.uint8), 0.2,
     r'cells of a grid must be \(across, ahead\) int8, got \(2, 3\) uint8'),
    (np.zeros(3, np.int8), 0.2, r'cells of a grid must be .*, got \(3,\) int8: fix what built'),
    (np.zeros((2, 3), np.int8), 0.0, r'resolution of a grid must be > 0 m, got 0.0: fix what'),
])
def test_a_grid_that_is_none_is_refused(cells, resolution, text):
    with pytest.raises(FrameError, match=text):
        GroundGrid(cells, resolution, 0.0, 0.0, 0.0)
