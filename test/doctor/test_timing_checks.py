# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
from observed_system import (
    PERIOD_NS,
    START_NS,
    input_topic,
    inputs,
    jittered,
    node,
    stamps,
    system,
    told,
)
import pytest

from ldn_perception.config import InputConfig
from ldn_perception.doctor.timing_checks import (
    check_clock,
    check_info_stamps,
    check_lost,
    check_pair_stamps,
    check_rates,
    check_stamps,
)

MS = 10**6
EXACT = InputConfig()
TRIGGER = 'synchronise the cameras by a trigger'


def with_right(stamps_ns, **changes):
    return system(inputs=inputs(right_image=input_topic('right_image', stamps_ns, **changes)))


def with_images(stamps_ns, **changes):
    return system(inputs=inputs(**{
        role: input_topic(role, stamps_ns, **changes) for role in ('left_image', 'right_image')}))


def test_rates():
    assert told(check_rates(system())) == (
        'ok: 10.0 and 10.0 Hz, irregular by 0.0 and 0.0 ms -> ')
    assert told(check_rates(with_right(stamps(25, period_ns=2 * PERIOD_NS)))) == (
        'error: 10.0 and 5.0 Hz, irregular by 0.0 and 0.0 ms -> set both cameras to the same '
        'rate: images without a partner are lost')
    assert told(check_rates(with_right(stamps(3)))) == (
        'warning: 50 and 3 messages in 5 s are too few to tell -> listen longer: ldn doctor '
        '--seconds 20')
    assert told(check_rates(with_right(()))) == 'skipped: one of the images does not come -> '


def test_irregular_images():
    finding = check_rates(with_images(jittered()))
    assert finding.state.value == 'warning'
    assert finding.advice == (
        'fix the exposure time of the cameras, and check their cables and the load of their '
        'machine')
    assert check_rates(with_images(jittered(jitter_ns=10 * MS))).state.value == 'ok'


def test_lost_images_are_not_jitter():
    kept = [stamp for number, stamp in enumerate(stamps()) if number % 5]
    gappy = with_right(kept)
    assert check_rates(gappy).found == '10.0 and 10.0 Hz, irregular by 0.0 and 0.0 ms'
    assert told(check_lost(gappy)) == (
        'warning: 0% and 18% on the way to this check -> load the large-image DDS profile in '
        'drivers and nodes, and look at the load of this machine')
    assert told(check_lost(system())) == 'ok: 0% and 0% on the way to this check -> '
    assert check_lost(with_right(stamps(3))).state.value == 'skipped'


def test_equal_stamps():
    assert told(check_pair_stamps(system(), EXACT)) == 'ok: equal in 100% of 50 messages -> '
    half = with_right([stamp for number, stamp in enumerate(stamps()) if number % 3])
    assert told(check_pair_stamps(half, EXACT)) == (
        'warning: equal, but 33% of the messages have no partner -> load the large-image DDS '
        'profile in drivers and nodes')
    assert told(check_pair_stamps(with_right(()), EXACT)) == 'skipped: no messages to compare -> '


def test_topics_that_were_heard_at_different_times_are_compared_where_both_were():
    late = with_right(stamps(30, START_NS + 20 * PERIOD_NS))
    assert told(check_pair_stamps(late, EXACT)) == 'ok: equal in 100% of 30 messages -> '


@pytest.mark.parametrize(('shift_ms', 'config', 'text'), [
    (4, EXACT, 'error: /right/image_rect is 4.0 ms after /left/image_rect, nine of ten within '
     f'4.0 ms -> {TRIGGER}, or set input.synchronization to approximate and input.slop_s to '
     '0.007'),
    (-4, EXACT, 'error: /right/image_rect is 4.0 ms before /left/image_rect, nine of ten within '
     f'4.0 ms -> {TRIGGER}, or set input.synchronization to approximate and input.slop_s to '
     '0.007'),
    (40, EXACT, 'error: /right/image_rect is 40.0 ms after /left/image_rect, nine of ten within '
     f'40.0 ms: too far to tell which belong together at 10.0 Hz -> {TRIGGER}'),
    (4, InputConfig(synchronization='approximate'), 'ok: /right/image_rect is 4.0 ms after '
     '/left/image_rect, nine of ten within 4.0 ms, within input.slop_s of 0.02 -> '),
    (4, InputConfig(synchronization='approximate', slop_s=0.004), 'error: /right/image_rect is '
     '4.0 ms after /left/image_rect, nine of ten within 4.0 ms, and input.slop_s is 0.004 -> '
     f'{TRIGGER}, or set input.slop_s to 0.007'),
])
def test_shifted_stamps(shift_ms, config, text):
    shifted = with_right(stamps(first_ns=START_NS + shift_ms * MS))
    assert told(check_pair_stamps(shifted, config)) == text


def test_the_proposed_slop_would_do():
    shifted = with_right(stamps(first_ns=START_NS + 21 * MS))
    slop_s = float(check_pair_stamps(shifted, EXACT).advice.rpartition(' ')[2])
    assert 0.021 < slop_s < PERIOD_NS / 2e9
    config = InputConfig(synchronization='approximate', slop_s=slop_s)
    assert check_pair_stamps(shifted, config).state.value == 'ok'


def test_stamps_of_camera_info():
    assert told(check_info_stamps(system(), 'left', EXACT)) == (
        'ok: equal in 100% of 50 messages -> ')
    rare = system(inputs=inputs(right_info=input_topic('right_info', stamps(2))))
    assert told(check_info_stamps(rare, 'right', EXACT)) == (
        'error: 2 messages beside 50 images -> let the driver publish one camera_info with each '
        'image, with the stamp of the image')
    late = system(inputs=inputs(
        right_info=input_topic('right_info', stamps(first_ns=START_NS + 3 * MS))))
    finding = check_info_stamps(late, 'right', EXACT)
    assert finding.check == 'stamps of right camera_info'
    assert told(finding) == (
        'error: /right/camera_info is 3.0 ms after /right/image_rect, nine of ten within 3.0 ms '
        '-> let the driver give camera_info the stamp of the image, or set '
        'input.synchronization to approximate and input.slop_s to 0.006')


def test_camera_info_beside_an_external_disparity_is_compared_with_the_left_image():
    external = system(inputs=(
        input_topic('left_image'), input_topic('external_disparity'),
        input_topic('left_info'), input_topic('right_info')))
    assert check_info_stamps(external, 'right', EXACT).state.value == 'ok'
    assert check_rates(external).state.value == 'ok'


CHRONY = 'synchronise the clocks of the machines with chrony or PTP'


@pytest.mark.parametrize(('late_ns', 'text'), [
    (5 * MS, 'ok: images come 5.0 ms after their stamp by this clock -> '),
    (-3 * MS, 'ok: images come -3.0 ms after their stamp by this clock -> '),
    (-30 * MS, 'warning: stamps of /left/image_rect are 30.0 ms ahead of this clock -> '
     f'{CHRONY}'),
    (-5000 * MS, f'warning: stamps of /left/image_rect are 5.0 s ahead of this clock -> {CHRONY}'),
    (10**9 * 86400 * 30, 'warning: stamps of /left/image_rect are 30.0 days old -> for a bag: '
     'ros2 bag play --clock, and use_sim_time true in the node; else set the clock of the '
     'camera'),
    (3000 * MS, 'warning: stamps of /left/image_rect are 3.0 s old, though the clocks of the '
     'machines agree -> the camera or its driver holds images back or stamps by a clock of its '
     'own: reduce its buffers, or let it stamp by the clock of its machine'),
])
def test_clock_skew(late_ns, text):
    assert told(check_stamps(with_images(stamps(), late_ns=late_ns), False)) == text


def test_clock_skew_between_machines():
    sent = tuple(stamp + MS for stamp in stamps())
    behind = with_images(stamps(), late_ns=3000 * MS, sent_ns=sent)
    assert told(check_stamps(behind, False)) == (
        f'warning: stamps of /left/image_rect are 3.0 s behind this clock -> {CHRONY}')


def test_stamps_that_are_no_times():
    assert told(check_stamps(with_right((0,) * 50), False)) == (
        'error: all stamps of /right/image_rect are zero -> let the camera driver stamp its '
        'images')
    looping = with_images((*stamps(20), *stamps(20)))
    assert told(check_stamps(looping, False)) == (
        'warning: stamps of /left/image_rect jump back -> that is right for a bag that loops; '
        'else look for a second publisher or a clock that was set')
    assert told(check_stamps(with_images(()), False)) == 'skipped: no image came -> '


def test_stamps_by_simulated_time():
    days_ns = 30 * 86400 * 10**9
    simulated = {
        'clock_ns': stamps(100, period_ns=PERIOD_NS // 2),
        'clock_received_ns': stamps(100, START_NS + days_ns, PERIOD_NS // 2)}
    observed = system(**simulated, inputs=inputs(**{
        role: input_topic(role, stamps(40), late_ns=days_ns + 7 * MS)
        for role in ('left_image', 'right_image')}))
    assert told(check_stamps(observed, True)) == (
        'ok: images come 7.0 ms after their stamp by /clock -> ')
    assert check_stamps(observed, False).state.value == 'warning'
    assert told(check_stamps(system(), True)) == (
        'skipped: nothing came on /clock to compare with -> ')


@pytest.mark.parametrize(('publishers', 'clock_ns', 'uses', 'text'), [
    ((), (), False, 'ok: not published, and not needed -> '),
    ((), (), None, 'ok: not published, and not needed -> '),
    (('/player',), (1, 2), True, 'ok: published by /player -> '),
    (('/player',), (1, 2), None, 'ok: published by /player -> '),
    ((), (), True, 'error: the node has use_sim_time, and nobody publishes /clock -> play the '
     'bag with --clock, or start the node with use_sim_time:=false'),
    (('/player',), (5, 5), True, 'warning: /player publishes /clock, but the time on it stands '
     'still -> resume the player or the simulation'),
    (('/player',), (1, 2), False, 'warning: /player publishes /clock, and the node takes the '
     'time of its machine -> start the node with use_sim_time:=true, or stop the player'),
])
def test_clock(publishers, clock_ns, uses, text):
    observed = system(clock_publishers=publishers, clock_ns=clock_ns, node=node())
    assert told(check_clock(observed, uses)) == text
