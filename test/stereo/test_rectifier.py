# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import cv2
import numpy as np
import pytest
from raw_rig import (
    LENSES,
    centre_of_dot,
    image_with_dots,
    info,
    raw_pixel,
    ray_of,
    rectified_pixel,
    rectified_rig,
)

from ldn_perception.data.messages import calibration_from_message
from ldn_perception.errors import CalibrationError
from ldn_perception.stereo import rectification as module
from ldn_perception.stereo.rectification import Rectifier, source_positions

BASELINE = np.array([rectified_rig().baseline, 0, 0])
POINTS = [np.array(point, np.float64) for point in (
    (0.1, 0.05, 2.0), (-1.2, -0.6, 3.0), (1.9, 0.9, 3.5), (-0.9, 0.7, 2.5), (0.8, -0.7, 2.6),
    (2.4, -1.6, 6.0), (-3.4, 1.8, 6.0), (0.4, 6.0, 30.0),
)]
LENS_AND_TURN = [(model, turned) for model in LENSES for turned in (True, False)]


def calibration(side='left', model='plumb_bob', **changes):
    return calibration_from_message(info(side, model, **changes), side)


def seen_by_both(model):
    """Infos, raw images with a dot for each point, and the points in the axes of each camera."""
    for side, centre in (('left', 0 * BASELINE), ('right', BASELINE)):
        camera_info = info(side, model)
        points = [point - centre for point in POINTS]
        image = image_with_dots([raw_pixel(point, camera_info) for point in points])
        yield camera_info, image, points


@pytest.mark.parametrize('model', LENSES)
def test_points_land_where_the_rectified_pinholes_see_them(model):
    rectifier = Rectifier()
    found = []
    for side, (camera_info, image, points) in zip(
            ('left', 'right'), seen_by_both(model), strict=True):
        rectified = rectifier.rectify(image, calibration_from_message(camera_info, side))
        analytic = [rectified_pixel(point, camera_info) for point in points]
        measured = [centre_of_dot(rectified, *pixel) for pixel in analytic]
        np.testing.assert_allclose(measured, analytic, atol=0.05)
        found.append(np.array(measured))
    left, right = found
    np.testing.assert_allclose(left[:, 1], right[:, 1], atol=0.05)
    rig = rectified_rig()
    depth = rig.fx * rig.baseline / (left[:, 0] - right[:, 0] - rig.disparity_offset)
    np.testing.assert_allclose(depth[:-1], [point[2] for point in POINTS[:-1]], rtol=0.02)


@pytest.mark.parametrize('model', LENSES)
def test_raw_dots_are_not_on_one_row(model):
    """Without rectification the test above would fail by far."""
    rows = [
        [raw_pixel(point, camera_info)[1] for point in points]
        for camera_info, _, points in seen_by_both(model)]
    assert np.median(np.abs(np.subtract(*rows))) > 3


@pytest.mark.parametrize(('model', 'turned'), LENS_AND_TURN)
def test_positions_are_those_of_the_formulas(model, turned):
    camera_info = info('right', model, turn=None if turned else (0, 0, 0))
    positions = source_positions(calibration_from_message(camera_info, 'right'))
    assert positions.shape == (200, 320, 2)
    for row in range(0, 200, 33):
        for column in range(0, 320, 29):
            expected = raw_pixel(ray_of(column, row, camera_info), camera_info)
            assert positions[row, column] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize('model', LENSES)
def test_positions_undistort_to_their_pixels(model):
    known = calibration('left', model)
    camera_info = info('left', model)
    positions = source_positions(known)[20:180:16, 30:290:20].astype(np.float64)
    undistort = (
        cv2.fisheye.undistortPoints if model == 'equidistant' else cv2.undistortPointsIter)
    pixels = undistort(
        positions.reshape(-1, 1, 2), camera_info.k.reshape(3, 3), camera_info.d,
        R=camera_info.r.reshape(3, 3), P=camera_info.p.reshape(3, 4)[:, :3],
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9))
    columns, rows = np.meshgrid(np.arange(30, 290, 20), np.arange(20, 180, 16))
    np.testing.assert_allclose(
        pixels.reshape(*rows.shape, 2), np.stack([columns, rows], -1), atol=0.01)


@pytest.mark.parametrize('coefficients', [4, 12, 14])
def test_shorter_and_longer_coefficients_are_taken(coefficients):
    """Thin prism and tilt of 0 change nothing; four of plumb_bob have no sixth order."""
    model = 'plumb_bob' if coefficients == 4 else 'rational_polynomial'
    lens = LENSES[model][:4] if coefficients == 4 else LENSES[model]
    padded = [*lens, *[0.0] * (coefficients - len(lens))]
    camera_info = info('left', model, distortion=padded)
    positions = source_positions(calibration_from_message(camera_info, 'left'))
    camera_info.d = np.array(lens)
    expected = raw_pixel(ray_of(300, 190, camera_info), camera_info)
    assert positions[190, 300] == pytest.approx(expected, abs=1e-3)


def test_a_turned_camera_without_distortion_is_rectified():
    for distortion, model in (((), ''), ((0.0,) * 5, 'plumb_bob')):
        camera_info = info('left', model, distortion=distortion)
        image = image_with_dots([raw_pixel(point, camera_info) for point in POINTS])
        rectified = Rectifier().rectify(image, calibration_from_message(camera_info, 'left'))
        assert rectified is not image
        for point in POINTS:
            pixel = rectified_pixel(point, camera_info)
            assert centre_of_dot(rectified, *pixel) == pytest.approx(pixel, abs=0.05)


def rectified_already(side='left', **changes):
    rig = rectified_rig()
    cx = rig.cx if side == 'left' else rig.cx_right
    return calibration(
        side, turn=(0, 0, 0), distortion=(0.0,) * 5, raw=(rig.fx, rig.fy, cx, rig.cy), **changes)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_a_rectified_camera_gives_back_the_very_same_image(side):
    image = image_with_dots([(50, 60)])
    assert Rectifier().rectify(image, rectified_already(side)) is image


def test_a_camera_that_only_k_and_p_tell_apart_is_rectified():
    known = rectified_already()
    shifted = replace(known, raw=known.raw._replace(cx=known.raw.cx + 4))
    rectified = Rectifier().rectify(image_with_dots([(50, 60)]), shifted)
    assert centre_of_dot(rectified, 46, 60) == pytest.approx((46, 60), abs=1e-3)


def test_an_undistorted_fisheye_is_no_pinhole():
    known = replace(rectified_already(), distortion_model='equidistant', distortion=(0.0,) * 4)
    image = image_with_dots([(50, 60)])
    assert Rectifier().rectify(image, known) is not image


def test_maps_are_built_once_for_a_calibration(monkeypatch):
    built = []
    build = module._build_maps
    monkeypatch.setattr(
        module, '_build_maps', lambda known: built.append(known.side) or build(known))
    rectifier = Rectifier()
    image = image_with_dots([(50, 60)])
    for _ in range(3):
        rectifier.rectify(image, calibration('left'))
        rectifier.rectify(image, calibration('right'))
    assert built == ['left', 'right']
    rectifier.rectify(image, rectified_already())
    rectifier.rectify(image, rectified_already())
    assert built == ['left', 'right', 'left']


@pytest.mark.parametrize('change', [
    {'distortion': (-0.28, 0.09, 0.0008, -0.0011, 0.0)}, {'turn': (0.0, 0.0, 0.01)},
    {'raw': (205.0, 207.0, 158.0, 101.5)}, {'rig': rectified_rig(cx=160.0)},
    {'model': 'equidistant'},
])
def test_another_calibration_gives_another_image(change):
    image = np.random.default_rng(0).integers(0, 256, (200, 320, 3), np.uint8)
    rectifier = Rectifier()
    first = rectifier.rectify(image, calibration())
    changed = rectifier.rectify(image, calibration(**change))
    assert (first != changed).any()
    np.testing.assert_array_equal(changed, Rectifier().rectify(image, calibration(**change)))
    np.testing.assert_array_equal(first, rectifier.rectify(image, calibration()))


def test_what_the_camera_did_not_see_is_black():
    white = np.full((200, 320, 3), 255, np.uint8)
    wide = rectified_rig(fx=18.0, fy=18.0)
    # the last coefficient throws the border far beyond what 16 bits can address
    far = calibration(rig=wide, distortion=(0.0, 0.0, 0.0, 0.0, 5.0))
    rectified = Rectifier().rectify(white, far)
    positions = source_positions(far)
    assert np.abs(positions).max() > 1e6
    outside = (positions < -1).any(2) | (positions > (320, 200)).any(2)
    inside = (positions >= 0).all(2) & (positions <= (319, 199)).all(2)
    assert outside.any()
    assert inside.any()
    assert (rectified[outside] == 0).all()
    assert (rectified[inside] == 255).all()


def test_a_fisheye_beside_which_the_rectified_camera_looks_is_black():
    white = np.full((200, 320, 3), 255, np.uint8)
    turned = calibration(model='equidistant', turn=(0.0, 3.0, 0.0))
    assert Rectifier().rectify(white, turned).max() == 0


def test_rows_with_padding_and_read_only_memory_are_taken():
    image = image_with_dots([(50, 60)])
    padded = np.zeros((200, 330, 3), np.uint8)
    padded[:, :320] = image
    view = padded[:, :320]
    view.flags.writeable = False
    np.testing.assert_array_equal(
        Rectifier().rectify(view, calibration()), Rectifier().rectify(image, calibration()))


def test_an_image_of_another_size_is_refused():
    with pytest.raises(CalibrationError, match=(
            r'raw right image must be \(200, 320\) as camera_info says \(size, region of interest,'
            r' binning\), got \(100, 160\): publish the camera_info')) as caught:
        Rectifier().rectify(np.zeros((100, 160, 3), np.uint8), calibration('right'))
    assert caught.value.reason == 'size_mismatch'
