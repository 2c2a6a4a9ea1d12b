# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from observed_system import camera_info, input_topic, inputs, system, told
import pytest

from ldn_perception.doctor.observations import PairObservation, Region
from ldn_perception.doctor.topic_checks import (
    check_calibration,
    check_image_sizes,
    check_pair,
    check_raw_calibration,
)


def with_infos(left=None, right=None, **changes):
    return system(inputs=inputs(
        left_info=input_topic('left_info', info=left or camera_info('left')),
        right_info=input_topic('right_info', info=right or camera_info('right'))), **changes)


SWAPPED = with_infos(camera_info('right'), camera_info('left'))


def test_calibration():
    assert told(check_calibration(system())) == (
        'ok: 160x96, fx 90.0 px, baseline 0.500 m -> ')
    assert told(check_calibration(SWAPPED)) == (
        'error: the cameras are swapped: by P, that of /right/camera_info stands to the left of '
        'that of /left/camera_info -> swap the left and right topics, images and camera_info')
    assert told(check_calibration(with_infos(right=camera_info('left')))) == (
        'error: P[3] of the right camera_info must be < 0, P[3] of the left one (by fx * '
        'baseline), got 0 -> calibrate the cameras as a stereo pair')
    uncalibrated = with_infos(left=camera_info('left', k=(0.0,) * 9))
    assert told(check_calibration(uncalibrated)) == (
        'error: K[0] of the left camera_info must be the focal length, got 0 -> calibrate the '
        'camera; 0 means uncalibrated')


def test_calibration_that_does_not_come():
    silent = system(inputs=inputs(right_info=input_topic('right_info', (), info=None)))
    assert told(check_calibration(silent)) == 'skipped: no message of /right/camera_info -> '


def test_image_sizes():
    assert told(check_image_sizes(system())) == 'ok: 160x96, as camera_info says -> '
    larger = system(inputs=inputs(left_image=input_topic('left_image', width=320, height=192)))
    assert told(check_image_sizes(larger)) == (
        'error: /left/image_rect is 320x192, /left/camera_info is for 160x96 -> publish the '
        'camera_info that belongs to this size of images (binning and region of interest count)')
    silent = system(inputs=inputs(right_image=input_topic('right_image', (), width=0)))
    assert told(check_image_sizes(silent)) == (
        'skipped: /right/image_rect or its camera_info does not come -> ')


def test_image_sizes_with_binning_and_region_of_interest():
    cropped = camera_info('left', roi=Region(10, 10, 80, 48), binning_x=2, binning_y=2)
    observed = system(inputs=inputs(
        left_image=input_topic('left_image', width=40, height=24),
        left_info=input_topic('left_info', info=cropped)))
    assert told(check_image_sizes(observed)) == (
        'error: 40x24 and 160x96 -> set both cameras to the same size and calibrate them as a '
        'stereo pair')


def test_calibration_of_raw_images():
    assert told(check_raw_calibration(system())) == (
        'skipped: not needed: input.rectify is false, the images come rectified -> ')
    assert told(check_raw_calibration(system(rectifies=True))) == (
        'ok: distortion: none and none -> ')
    bent = with_infos(left=camera_info('left', d=(-0.3, 0.1, 0.0, 0.0)), rectifies=True)
    assert told(check_raw_calibration(bent)) == 'ok: distortion: plumb_bob and none -> '
    strange = with_infos(
        right=camera_info('right', distortion_model='fov', d=(0.9,)), rectifies=True)
    assert told(check_raw_calibration(strange)) == (
        "error: distortion_model of the right camera_info must be one of plumb_bob, "
        "rational_polynomial, equidistant, got 'fov' -> calibrate the camera with one of them, "
        'or rectify its images before this node and set input.rectify to false')
    silent = system(rectifies=True, inputs=inputs(left_info=input_topic(
        'left_info', (), info=None)))
    assert told(check_raw_calibration(silent)) == 'skipped: a camera_info does not come -> '


ENCODING = "image encoding must be one of rgb8, got 'x': convert it before this node"
SIDES = ('the left and right images are swapped, 97% of the matched points lie farther right in '
         'the right image: swap the topics')
ROWS = ('the images are not rectified, the rows of 200 matched points differ by 3.0 px in the '
        'median, more than 1 px: set input.rectify to true')


@pytest.mark.parametrize(('pair', 'text'), [
    (PairObservation(vertical_px=0.12, num_matches=321),
     'ok: rectified: rows of 321 matched points differ by 0.12 px -> '),
    (PairObservation(), 'ok: can be used; too few points match to tell whether it is rectified '
                        '-> '),
    (None, 'skipped: no two images and camera_info came -> '),
    (PairObservation(problem=ENCODING), "error: image encoding must be one of rgb8, got 'x' -> "
                                        'convert it before this node'),
    (PairObservation(complaint=SIDES), 'error: the left and right images are swapped, 97% of '
     'the matched points lie farther right in the right image -> swap the topics'),
    (PairObservation(complaint=ROWS), 'warning: the images are not rectified, the rows of 200 '
     'matched points differ by 3.0 px in the median, more than 1 px -> set input.rectify to '
     'true'),
])
def test_pair(pair, text):
    assert told(check_pair(system(pair=pair))) == text


def test_a_pair_of_a_wrong_calibration_is_not_named_twice():
    finding = check_pair(with_infos(
        camera_info('right'), camera_info('left'), pair=PairObservation(problem='P[3]: swap')))
    assert told(finding) == 'skipped: the calibration comes first -> '
