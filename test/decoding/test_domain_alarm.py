# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ldn_perception.build import build_alarm_rule, build_perception
from ldn_perception.config import OodAlarmConfig, PerceptionConfig
from ldn_perception.decoding.domain_alarm import AlarmRule, AlarmState, DomainAlarm, describe_alarm
from ldn_perception.types import Quantity

SECOND = 10**9
DATA = Path(__file__).parents[3] / 'shared' / 'data'
RULE = AlarmRule(raise_above=0.5, clear_below=0.3, time_constant_s=2.0)


def fed(alarm, shares, start_s=100.0, step_s=0.1):
    """States after images of these OOD shares, one every step."""
    return [
        alarm.update(round((start_s + step_s * index) * SECOND), share)
        for index, share in enumerate(shares)]


def test_the_mean_follows_a_step_as_a_low_pass_does():
    alarm = DomainAlarm(RULE)
    fed(alarm, [0.0] * 10)
    states = fed(alarm, [0.9] * 60, start_s=101.0)
    for index, state in enumerate(states):
        passed_s = 0.1 * (index + 1)
        assert state.ood_share == pytest.approx(0.9 * (1 - math.exp(-passed_s / 2)))


@pytest.mark.parametrize('step_s', [0.02, 0.1, 0.5])
def test_it_is_raised_after_the_same_time_at_every_rate(step_s):
    alarm = DomainAlarm(RULE)
    fed(alarm, [0.0] * 3, start_s=99.0 - step_s, step_s=step_s)
    states = fed(alarm, [0.9] * int(4 / step_s), start_s=99.0 + 2 * step_s, step_s=step_s)
    raised = next(index for index, state in enumerate(states) if state.raised_s is not None)
    # 0.9 (1 - exp(-t / 2)) = 0.5
    assert (raised + 1) * step_s == pytest.approx(2 * math.log(0.9 / 0.4), abs=step_s)
    assert states[raised].raised_s == 0
    assert states[-1].raised_s == pytest.approx((len(states) - 1 - raised) * step_s)


def test_it_is_cleared_below_the_other_threshold_only():
    alarm = DomainAlarm(RULE)
    fed(alarm, [1.0] * 100)
    between = fed(alarm, [0.4] * 200, start_s=110.0)
    assert between[-1].ood_share == pytest.approx(0.4, abs=1e-3)
    # the first image counts for a second: 1 - exp(-0.5 - t / 2) = 0.5 after 0.386 s
    assert between[-1].raised_s == pytest.approx(29.9 - 0.4)
    below = fed(alarm, [0.2] * 200, start_s=130.0)
    assert below[-1] == AlarmState(pytest.approx(0.2, abs=1e-3), None)
    assert all(state.ood_share >= 0.3 for state in below if state.raised_s is not None)
    again = fed(alarm, [0.4] * 200, start_s=150.0)
    assert again[-1].raised_s is None


def test_flicker_of_single_images_does_not_raise_it():
    states = fed(DomainAlarm(RULE), [1.0, 0.0, 0.0] * 100)
    assert all(state.raised_s is None for state in states)


@pytest.mark.parametrize('stamps_s', [
    [100.0],  # the first image
    [100.0, 100.1, 4000.0],  # a gap
    [100.0, 100.1, 3.0],  # a bag that loops
])
def test_no_single_image_raises_it(stamps_s):
    alarm = DomainAlarm(RULE)
    for stamp_s in stamps_s[:-1]:
        alarm.update(round(stamp_s * SECOND), 0.0)
    state = alarm.update(round(stamps_s[-1] * SECOND), 1.0)
    assert state == AlarmState(pytest.approx(1 - math.exp(-0.5)), None)
    assert alarm.update(round((stamps_s[-1] + 1) * SECOND), 1.0).raised_s == 0


def test_slow_images_raise_it_too():
    states = fed(DomainAlarm(RULE), [0.9] * 4, step_s=5.0)
    assert [state.raised_s for state in states] == [None, 0.0, 5.0, 10.0]


def test_a_raised_alarm_outlives_stamps_that_jump_back():
    alarm = DomainAlarm(RULE)
    fed(alarm, [1.0] * 40)
    raised_s = alarm.state.raised_s
    assert raised_s > 2
    state = alarm.update(5 * SECOND, 1.0)
    assert state.raised_s == raised_s
    assert alarm.update(6 * SECOND, 1.0).raised_s == pytest.approx(raised_s + 1)


def test_the_same_stamp_again_changes_nothing():
    alarm = DomainAlarm(RULE)
    before = fed(alarm, [0.2] * 5)[-1]
    assert alarm.update(round(100.4 * SECOND), 1.0) == before


def test_a_new_rule_holds_from_the_next_image_on():
    alarm = DomainAlarm(RULE)
    assert fed(alarm, [0.4] * 100)[-1].raised_s is None
    alarm.rule = AlarmRule(0.35, 0.2, 2.0)
    assert alarm.update(111 * SECOND, 0.4).raised_s == 0


@pytest.mark.parametrize(('state', 'sentence'), [
    (AlarmState(0.2, None), ''),
    (AlarmState(0.814, 3.21),
     'out of domain for 3.2 s: OOD share 0.81 > 0.5, the network does not know what the camera '
     'sees'),
    (AlarmState(0.41, 7.0), 'out of domain for 7.0 s: OOD share 0.41 not yet below 0.3'),
])
def test_one_sentence_says_it(state, sentence):
    assert describe_alarm(state, RULE) == sentence


def test_an_alarm_that_is_off_says_nothing():
    off = AlarmRule(raise_above=1.0)
    assert off.is_off
    assert not RULE.is_off
    assert describe_alarm(AlarmState(0.9, 3.0), off) == ''
    assert all(state.raised_s is None for state in fed(DomainAlarm(off), [1.0] * 200))


def images_of(pattern, number):
    """Some images of a folder, spread over it."""
    paths = sorted(DATA.glob(pattern))
    if not paths:
        pytest.skip(f'no {DATA / pattern}')
    chosen = paths[::max(1, len(paths) // number)][:number]
    return [np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]) for path in chosen]


class TestShippedWeights:
    """A few of the images that benchmarks/ood_share.py measures all of."""

    @pytest.fixture(scope='class')
    @staticmethod
    def perception():
        return build_perception(PerceptionConfig.from_values({
            'inference.device': 'cpu', 'inference.engine': 'torch'}))

    def raised(self, perception, images):
        """Whether half a minute of such images raises the alarm, with its own options."""
        pipeline = perception.pipeline
        shares = []
        for image in images:
            logits = pipeline._engine.run(torch.from_numpy(image))
            segmentation = pipeline._decoder.decode(
                logits, image, pipeline.rule, Quantity.OOD_MASK)
            shares.append(float(segmentation.ood_mask.mean()))
        alarm = DomainAlarm(build_alarm_rule(OodAlarmConfig()))
        states = fed(alarm, [shares[index % len(shares)] for index in range(60)], step_s=0.5)
        return [state.raised_s is not None for state in states]

    def test_indoor_photographs_raise_the_alarm(self, perception):
        raised = self.raised(perception, images_of('indoor/*.*g', 3))
        assert not raised[0]
        assert all(raised[8:])

    @pytest.mark.parametrize('pattern', [
        'camvid/test/images/*.png', 'kitti2015_semantic/images/*',
        'kitti_odometry_seq1/image_l/*'])
    def test_roads_do_not(self, perception, pattern):
        assert not any(self.raised(perception, images_of(pattern, 3)))
