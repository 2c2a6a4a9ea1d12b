# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Raw cameras, and cameras that are not what they are said to be, over real DDS."""

from contextlib import contextmanager
from dataclasses import replace
import threading

import cv2
import numpy as np
import pytest
from raw_rig import LENSES, rectified_rig, unrectified
from raw_rig import info as raw_info
from rclpy.qos import QoSProfile
from rig import Rig, build_node, end, make_header, running
from sensor_msgs.msg import CameraInfo, Image
from stereo_frames import shifted_frame
from stereo_msgs.msg import DisparityImage
import torch

from ldn_perception.data.message_fields import disparity_fields, image_fields
from ldn_perception.data.messages import pixels_of
from ldn_perception.ros.nodes import diagnostics
from ldn_perception.ros.nodes.diagnostics import EpipolarWatch, PairCheck
from ldn_perception.ros.nodes.outputs import fill
from ldn_perception.stereo.rectification import EpipolarResidual
from ldn_perception.types import DisparityMap

SECOND = 10**9
WALL_PX = 12


def wall():
    """A rectified pair of a wall, smooth enough to be resampled."""
    frame = shifted_frame(WALL_PX, 320, 200, geometry=rectified_rig(), stamp_ns=SECOND)
    return replace(
        frame, left=cv2.GaussianBlur(frame.left, (0, 0), 1.0),
        right=cv2.GaussianBlur(frame.right, (0, 0), 1.0))


def raw_messages(frame, model, stamp_ns):
    """What raw cameras would have sent of a rectified pair."""
    header = make_header(stamp_ns)
    for side in ('left', 'right'):
        info = raw_info(side, model, frame.geometry)
        image = unrectified(getattr(frame, side), info)
        yield f'{side}_image', fill(Image(header=header), image_fields(image, 'rgb8'))
        fields = {**vars(info), 'roi': vars(info.roi)}
        yield f'{side}_info', fill(CameraInfo(header=header), fields)


@contextmanager
def raw_cameras(wanted=('disparity',), **values):
    """A running node that rectifies, with raw cameras before it."""
    node = build_node(input__rectify=True, **values)
    try:
        assert node.start()
        rig = Rig(node, wanted)
        for side in ('left', 'right'):
            rig.publishers[f'{side}_image'] = rig.tester.create_publisher(
                Image, f'{side}/image_raw', QoSProfile(depth=10))
        rig.wait_until_connected()
        yield rig
    finally:
        end(node)


def disparity_of(message):
    return pixels_of(message.image, 1, np.float32)[..., 0]


@pytest.mark.parametrize('model', LENSES)
def test_raw_cameras_give_the_disparity_of_rectified_ones(model, capfd):
    with raw_cameras() as rig:
        rig.send(SECOND, **dict(raw_messages(wall(), model, SECOND)))
        rig.spin_until_processed(1)
        message = rig.received['disparity'][0]
        rig.spin_until(
            lambda: rig.node._watch.check.values.get('epipolar.vertical_px'), 'the check')
        assert float(rig.node._watch.check.values['epipolar.vertical_px']) < 0.3
    geometry = rectified_rig()
    expected = WALL_PX - geometry.disparity_offset
    disparity = disparity_of(message)[30:-30, 60:-40]
    assert np.isfinite(disparity).mean() > 0.95
    assert np.nanmedian(disparity) == pytest.approx(expected, abs=0.1)
    assert np.nanmean(np.abs(disparity - expected) < 0.5) > 0.95
    assert (message.f, message.t) == (geometry.fx, pytest.approx(geometry.baseline))
    assert 'not rectified' not in capfd.readouterr().err


def test_raw_images_taken_for_rectified_ones_are_warned_about_once(capfd):
    with running(('labels',), monitoring__diagnostics_period_s=0.1) as rig:
        for number in range(1, 4):
            rig.send(number * SECOND, **dict(raw_messages(wall(), 'plumb_bob', number * SECOND)))
            rig.spin_until_processed(number)
            rig.spin_until(lambda: rig.node._watch.check.warning, 'the warning')
        before = len(rig.diagnostics)
        rig.spin_until(lambda: len(rig.diagnostics) > before + 1, 'diagnostics')
        status = rig.diagnostics[-1].status[0]
    assert status.level == b'\x01'
    assert 'UNTRAINED: random weights, labels mean nothing; the images are not' in status.message
    assert 'set input.rectify to true if the cameras send raw images' in status.message
    values = {entry.key: entry.value for entry in status.values}
    assert float(values['epipolar.vertical_px']) > 1
    assert int(values['epipolar.matches']) >= 50
    assert capfd.readouterr().err.count('the images are not rectified, the rows of') == 1


def test_rows_three_pixels_apart_are_warned_about(capfd):
    frame = wall()
    low = fill(Image(header=make_header(SECOND)),
               image_fields(np.roll(frame.right, 3, 0), 'rgb8'))
    with running() as rig:
        rig.send(SECOND, **{**rig.messages(frame), 'right_image': low})
        rig.spin_until(lambda: rig.node._watch.check.warning, 'the warning')
    assert 'matched points differ by 3.0 px in the median, more than 1 px' in (
        capfd.readouterr().err)


def test_swapped_cameras_are_named(capfd):
    frame = wall()
    with running() as rig:
        rig.send(SECOND, **rig.messages(replace(frame, left=frame.right, right=frame.left)))
        rig.spin_until(lambda: rig.node._watch.check.warning, 'the warning')
    assert 'the left and right images are swapped, 100% of the matched' in capfd.readouterr().err


def test_a_rectified_pair_is_not_warned_about():
    with running(monitoring__diagnostics_period_s=0.1) as rig:
        rig.spin_until(lambda: rig.diagnostics, 'diagnostics')
        first = {entry.key: entry.value for entry in rig.diagnostics[0].status[0].values}
        assert first['epipolar.state'] == 'not checked yet'
        rig.send(SECOND, **rig.messages(wall()))
        rig.spin_until(lambda: any(
            entry.key == 'epipolar.vertical_px'
            for entry in rig.diagnostics[-1].status[0].values), 'the check')
        status = rig.diagnostics[-1].status[0]
        values = {entry.key: entry.value for entry in status.values}
        assert values['epipolar.vertical_px'] == '0.00'
        assert status.message == 'UNTRAINED: random weights, labels mean nothing'


def test_dark_pairs_are_not_judged():
    frame = wall()
    dark = replace(frame, left=frame.left * 0, right=frame.right * 0)
    with running() as rig:
        rig.send(SECOND, **rig.messages(dark))
        rig.spin_until(
            lambda: rig.node._watch.check.values == {
                'epipolar.state': 'too few matches in 1 pairs to tell'}, 'the check')
        assert rig.node._watch.check.warning == ''


def test_an_external_disparity_leaves_nothing_to_check():
    frame = wall()
    node = build_node(stereo__matcher='external')
    try:
        assert node.start()
        rig = Rig(node, ('labels',))
        rig.publishers['right_image'] = rig.tester.create_publisher(
            DisparityImage, 'external_disparity', QoSProfile(depth=10))
        rig.wait_until_connected()
        exact = DisparityMap(torch.full(frame.geometry.shape, 9.0), 0, 63)
        message = fill(DisparityImage(), disparity_fields(exact, frame.geometry))
        message.header = make_header(SECOND)
        rig.send(SECOND, **{**rig.messages(frame), 'right_image': message})
        rig.spin_until(lambda: rig.node._watch.check.values == {
            'epipolar.state': 'not checked: there is no right image'}, 'the check')
    finally:
        end(node)


class Looks:
    """Stands in for the measurement: counts, waits if held, and answers what it is told."""

    def __init__(self, monkeypatch, answer):
        self.answer, self.count = answer, 0
        self.released = threading.Event()
        self.released.set()
        monkeypatch.setattr(diagnostics, 'measure_epipolar_residual', self)
        monkeypatch.setattr(diagnostics, '_BETWEEN_ATTEMPTS_S', 0.0)

    def __call__(self, frame):
        self.count += 1
        assert self.released.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def offer(watch, times):
    for _ in range(times):
        watch.offer(shifted_frame())
        watch._thread.join()


class TestWatch:
    def test_one_verdict_is_enough(self, monkeypatch):
        looks = Looks(monkeypatch, EpipolarResidual(70, 0.25, 0.0))
        watch = EpipolarWatch(False)
        offer(watch, 4)
        assert looks.count == 1
        assert watch.check == PairCheck(
            {'epipolar.vertical_px': '0.25', 'epipolar.matches': '70'}, '')

    def test_ten_pairs_that_tell_nothing_are_enough(self, monkeypatch):
        looks = Looks(monkeypatch, None)
        watch = EpipolarWatch(False)
        offer(watch, 13)
        assert looks.count == 10
        assert watch.check.values == {'epipolar.state': 'too few matches in 10 pairs to tell'}

    def test_the_second_look_is_not_at_once(self, monkeypatch):
        looks = Looks(monkeypatch, None)
        monkeypatch.setattr(diagnostics, '_BETWEEN_ATTEMPTS_S', 3600.0)
        offer(EpipolarWatch(False), 3)
        assert looks.count == 1

    def test_an_error_is_told_and_ends_the_looking(self, monkeypatch, caplog):
        looks = Looks(monkeypatch, ValueError('odd image'))
        watch = EpipolarWatch(False)
        offer(watch, 3)
        assert looks.count == 1
        assert watch.check.values == {'epipolar.state': 'not checked: odd image'}
        assert 'cannot check the rectification: odd image' in caplog.text

    def test_pairs_during_a_look_are_let_go_and_stop_waits_for_it(self, monkeypatch):
        looks = Looks(monkeypatch, None)
        looks.released.clear()
        watch = EpipolarWatch(False)
        watch.offer(shifted_frame())
        watch.offer(shifted_frame())
        assert not watch.stop(0.05)
        looks.released.set()
        assert watch.stop()
        watch.offer(shifted_frame())
        assert looks.count == 1


def test_a_calibration_that_cannot_rectify_costs_the_pair_only(capfd):
    with raw_cameras(('labels',)) as rig:
        messages = dict(raw_messages(wall(), 'plumb_bob', SECOND))
        messages['right_info'].r = np.zeros(9)
        rig.send(SECOND, **messages)
        rig.spin_until_dropped('bad_camera_info')
        rig.send(2 * SECOND, **dict(raw_messages(wall(), 'plumb_bob', 2 * SECOND)))
        rig.spin_until_processed(1)
    assert 'R of the right camera_info must be a rotation, got (0, 0' in capfd.readouterr().err
