# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from raw_rig import info, rectified_rig, unrectified
from stereo_frames import geometry, shifted_frame, texture
import torch

from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.data.messages import calibration_from_message
from ldn_perception.stereo.rectification import (
    EpipolarResidual,
    Rectifier,
    measure_epipolar_residual,
)
from ldn_perception.types import DisparityMap, StereoFrame

REAL = ('kitti2012_000000', 'kitti2015_000000', 'kitti2015_000046', 'kitti_odometry_seq1')


def two_walls(near_px=30, far_px=6, width=320, height=200):
    """A pair with a near wall before a far one, smooth enough to be resampled."""
    far = cv2.GaussianBlur(texture(width + 80, height, 1), (0, 0), 1.2)
    near = cv2.GaussianBlur(texture(width + 80, height, 2), (0, 0), 1.2)

    def seen(shift, disparity):
        image = far[:, far_px * shift:far_px * shift + width].copy()
        left, right = 100 - disparity * shift, 220 - disparity * shift
        image[60:, left:right] = near[60:, 100:220]
        return image

    rig = rectified_rig(cx_right=161.0)
    return StereoFrame(1, 'left', seen(0, near_px), seen(1, near_px), rig)


def moved(image, columns, rows):
    """The image, shifted by parts of pixels; the border is mirrored."""
    return cv2.warpAffine(
        image, np.array([[1, 0, columns], [0, 1, rows]], np.float64), image.shape[1::-1],
        borderMode=cv2.BORDER_REFLECT)


def read_pair(name):
    beside = Path(__file__).resolve().parents[3] / 'shared' / 'data'
    folder = Path(os.environ.get('LDN_DATA', beside)) / name
    if not folder.is_dir():
        pytest.skip(f'no real pair in {folder}; set LDN_DATA to the folder that holds it')
    return next(iter(ImageFolder(folder))).frame


@pytest.fixture(scope='module', params=REAL)
def real_pair(request):
    return read_pair(request.param)


@pytest.fixture
def streets():
    return read_pair('kitti2015_000046').left, read_pair('kitti2015_000000').right


class TestRealPairs:
    def test_a_rectified_pair_is_fine(self, real_pair):
        residual = measure_epipolar_residual(real_pair)
        assert residual.num_matches > 200
        assert residual.vertical_px < 0.6
        assert residual.reversed_share < 0.05
        assert residual.complaint(False) == ''

    @pytest.mark.parametrize('shift_px', [3, -3])
    def test_a_shift_of_three_rows_is_measured_and_complained_about(self, real_pair, shift_px):
        shifted = replace(real_pair, right=np.roll(real_pair.right, shift_px, 0))
        residual = measure_epipolar_residual(shifted)
        # KITTI's own rows differ by up to half a pixel
        assert residual.vertical_px == pytest.approx(3, abs=0.6)
        assert residual.complaint(False).startswith('the images are not rectified, the rows of ')

    def test_swapped_cameras_are_named(self, real_pair):
        swapped = replace(real_pair, left=real_pair.right, right=real_pair.left)
        residual = measure_epipolar_residual(swapped)
        assert residual.reversed_share > 0.9
        assert residual.complaint(False).startswith('the left and right images are swapped, ')
        assert residual.vertical_px < 0.6

    def test_a_roll_of_half_a_degree_is_noticed_though_it_moves_no_row_in_the_mean(
            self, real_pair):
        height, width = real_pair.geometry.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 0.5, 1)
        rolled = replace(real_pair, right=cv2.warpAffine(real_pair.right, turn, (width, height)))
        assert measure_epipolar_residual(rolled).vertical_px > 1

    def test_the_same_pair_taken_by_raw_cameras(self, real_pair):
        """Complained about as it is, fine after rectification."""
        rig = real_pair.geometry
        raw, rectified = {}, {}
        for side, tilt in (('left', 0.004), ('right', -0.004)):
            camera_info = info(
                side, 'plumb_bob', rig, (tilt, 0, tilt), (-0.15, 0.02, 0, 0, 0),
                (rig.fx, rig.fy, rig.cx, rig.cy))
            raw[side] = unrectified(getattr(real_pair, side), camera_info)
            rectified[side] = Rectifier().rectify(
                raw[side], calibration_from_message(camera_info, side))
        assert measure_epipolar_residual(replace(real_pair, **raw)).vertical_px > 1
        residual = measure_epipolar_residual(replace(real_pair, **rectified))
        assert residual.complaint(True) == ''
        assert residual.vertical_px < 0.6


@pytest.mark.parametrize('rows', [0, 1.4, 3, 7])
def test_the_residual_is_the_shift_of_the_rows(rows):
    frame = two_walls()
    residual = measure_epipolar_residual(replace(frame, right=moved(frame.right, 0, rows)))
    assert residual.vertical_px == pytest.approx(rows, abs=0.1)
    assert residual.reversed_share < 0.05


def test_large_images_are_searched_small_and_measured_full():
    frame = two_walls()
    size = (320 * 6, 200 * 6)
    large = {
        side: cv2.resize(np.roll(getattr(frame, side), rows, 0), size)
        for side, rows in (('left', 0), ('right', 1))}
    residual = measure_epipolar_residual(
        replace(frame, **large, geometry=geometry(size[0], size[1])))
    assert residual.vertical_px == pytest.approx(6, abs=0.5)


def test_a_verging_rig_is_not_taken_for_swapped():
    """Its points at infinity have a disparity of cx - cx_right, which may be negative."""
    frame = two_walls()
    crossed = moved(frame.right, 60, 0)  # disparities of -54 and -30
    rig = replace(frame.geometry, cx_right=frame.geometry.cx + 60)
    assert measure_epipolar_residual(
        replace(frame, right=crossed, geometry=rig)).reversed_share < 0.05
    assert measure_epipolar_residual(replace(frame, right=crossed)).reversed_share > 0.9


def test_points_at_infinity_do_not_say_what_is_left():
    frame = shifted_frame(0, 320, 200)
    residual = measure_epipolar_residual(frame)
    assert residual.reversed_share == 0
    assert residual.complaint(False) == ''


def random_image(seed):
    return np.random.default_rng(seed).integers(0, 256, (200, 320, 3), np.uint8)


@pytest.mark.parametrize('images', [
    (np.zeros((200, 320, 3), np.uint8), np.zeros((200, 320, 3), np.uint8)),
    (np.zeros((200, 320, 3), np.uint8), random_image(0)),
    (random_image(0), random_image(1)),
    (texture(320, 200, 3), texture(320, 200, 4)),
])
def test_images_without_common_features_tell_nothing(images):
    left, right = images
    assert measure_epipolar_residual(replace(two_walls(), left=left, right=right)) is None


def test_two_different_streets_tell_nothing(streets):
    first, second = streets
    width, height = np.minimum(first.shape[1::-1], second.shape[1::-1]).tolist()
    left, right = (image[:height, :width] for image in streets)
    assert measure_epipolar_residual(
        StereoFrame(1, 'left', left, right, geometry(width, height))) is None


def test_a_frame_without_a_right_image_tells_nothing():
    frame = two_walls()
    disparity = DisparityMap(torch.zeros(frame.geometry.shape), 0, 64)
    external = replace(frame, right=None, external_disparity=disparity)
    assert measure_epipolar_residual(external) is None


@pytest.mark.parametrize(('residual', 'rectify', 'text'), [
    (EpipolarResidual(60, 1.0, 0.5), False, ''),
    (EpipolarResidual(60, 3.21, 0.0), False,
     'the images are not rectified, the rows of 60 matched points differ by 3.2 px in the median, '
     'more than 1 px: set input.rectify to true if the cameras send raw images, else calibrate '
     'them as a stereo pair'),
    (EpipolarResidual(60, 3.21, 0.0), True,
     'the images are not rectified, the rows of 60 matched points differ by 3.2 px in the median, '
     'more than 1 px: set input.rectify to false if the images come rectified, else check that '
     'each camera_info belongs to its camera and calibrate them as a stereo pair'),
    (EpipolarResidual(60, 0.2, 0.93), False,
     'the left and right images are swapped, 93% of the matched points lie farther right in the '
     'right image: swap the topics'),
])
def test_the_complaint_says_what_is_wrong_and_what_to_do(residual, rectify, text):
    assert residual.complaint(rectify) == text


def test_two_things_can_be_wrong():
    both = EpipolarResidual(60, 3.21, 0.93).complaint(False)
    assert both == '; '.join(
        EpipolarResidual(60, vertical, share).complaint(False)
        for vertical, share in ((0.0, 0.93), (3.21, 0.0)))
