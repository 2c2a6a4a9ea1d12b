# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of rates, lost messages, stamps and clocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldn_perception.config import InputConfig
from ldn_perception.doctor.observations import (
    Finding,
    InputTopic,
    Observations,
    error,
    ok,
    skipped,
    warning,
)
from ldn_perception.doctor.topic_checks import LABELS

_FEWEST = 4  # minimum number of messages for a rate
_RATE_TOLERANCE = 0.1
_LOST_SHARE = 0.02
_JITTER_SHARE = 0.3  # of the period; 0.5 is the maximum distance to a multiple of it
_COMMON_SHARE = 0.8
_EARLY_S = 0.005  # clocks synchronised by NTP are closer; a stamp must not be in the future
_LATE_S = 0.5
_REPLAY_S = 3600.0
_CLOCKS_AGREE_S = 0.1
_SLOP_MARGIN = 1.5
_MOST_PERCENT = 90  # excludes the wrong neighbours of lost messages

Times = NDArray[np.int64]


def period_s(topic: InputTopic) -> float:
    """Median time between two messages by stamp, or by reception without usable stamps [s].

    NaN for fewer than two messages.
    """
    times = _times(topic)
    return float(np.median(np.diff(times))) / 1e9 if len(times) > 1 else math.nan


def _times(topic: InputTopic) -> Times:
    """Distinct stamps in order; reception times if the stamps are all the same [ns]."""
    stamps = np.unique(np.array(topic.stamps_ns, np.int64))
    if len(stamps) > 1 or len(topic.received_ns) < 2:
        return stamps
    return np.sort(np.array(topic.received_ns, np.int64))


def check_rates(observations: Observations) -> Finding:
    """Compare rate and regularity of the two images."""
    check, images = 'image rates', observations.images
    counts = [len(topic.stamps_ns) for topic in images]
    if min(counts) == 0:
        return skipped(check, 'one of the images does not come')
    if min(counts) < _FEWEST:
        return warning(
            check, f'{counts[0]} and {counts[1]} messages in {observations.seconds:g} s are too '
            'few to tell', 'listen longer: ldn doctor --seconds 20')
    rates = [1 / period_s(topic) for topic in images]
    jitters_ms = [_jitter_s(topic) * 1e3 for topic in images]
    found = (f'{rates[0]:.1f} and {rates[1]:.1f} Hz, irregular by {jitters_ms[0]:.1f} and '
             f'{jitters_ms[1]:.1f} ms')
    if max(rates) / min(rates) > 1 + _RATE_TOLERANCE:
        return error(
            check, found, 'set both cameras to the same rate: images without a partner are lost')
    if max(jitters_ms) / 1e3 * max(rates) > _JITTER_SHARE:
        return warning(
            check, found, 'fix the exposure time of the cameras, and check their cables and the '
            'load of their machine')
    return ok(check, found)


def _jitter_s(topic: InputTopic) -> float:
    """90th percentile of the deviation of message intervals from multiples of the median [s]."""
    steps = np.diff(_times(topic)) / 1e9
    period = float(np.median(steps))
    multiples = np.maximum(1, np.round(steps / period))
    return float(np.percentile(np.abs(steps - multiples * period), _MOST_PERCENT))


def check_lost(observations: Observations) -> Finding:
    """Check for gaps between the received images."""
    check, images = 'lost images', observations.images
    if min(len(topic.stamps_ns) for topic in images) < _FEWEST:
        return skipped(check, 'too few images came to tell')
    shares = [_lost_share(topic) for topic in images]
    found = f'{shares[0]:.0%} and {shares[1]:.0%} on the way to this check'
    if max(shares) > _LOST_SHARE:
        return warning(
            check, found, 'load the large-image DDS profile in drivers and nodes, and look at the '
            'load of this machine')
    return ok(check, found)


def _lost_share(topic: InputTopic) -> float:
    steps = np.diff(_times(topic))
    sent = 1 + np.maximum(1, np.round(steps / np.median(steps))).sum()
    return 1 - (len(steps) + 1) / float(sent)


def check_pair_stamps(observations: Observations, config: InputConfig) -> Finding:
    """Compare the stamps of the left image with those of the right image or disparity."""
    left, second = observations.images
    return _compare(
        left, second, 'stamps of the pair', config, 'synchronise the cameras by a trigger')


def check_info_stamps(observations: Observations, side: str, config: InputConfig) -> Finding:
    """Compare the stamps of the images and the camera_info of a camera."""
    image = observations.input(f'{side}_image') or observations.images[0]
    info = observations.input(f'{side}_info')
    assert info is not None
    check = f'stamps of {LABELS[info.role]}'
    if info.stamps_ns and len(info.stamps_ns) * 2 < len(image.stamps_ns):
        return error(
            check, f'{len(info.stamps_ns)} messages beside {len(image.stamps_ns)} images',
            'let the driver publish one camera_info with each image, with the stamp of the image')
    return _compare(
        image, info, check, config, 'let the driver give camera_info the stamp of the image')


def _compare(
    first: InputTopic, second: InputTopic, check: str, config: InputConfig, cure: str,
) -> Finding:
    offsets_s = _offsets_s(first, second)
    if not len(offsets_s):
        return skipped(check, 'no messages to compare')
    equal = float((offsets_s == 0).mean())
    if np.median(np.abs(offsets_s)) == 0:
        if equal < _COMMON_SHARE:
            return warning(
                check, f'equal, but {1 - equal:.0%} of the messages have no partner',
                'load the large-image DDS profile in drivers and nodes')
        return ok(check, f'equal in {equal:.0%} of {len(offsets_s)} messages')
    worst_s = float(np.percentile(np.abs(offsets_s), _MOST_PERCENT))
    typical_s = float(np.median(offsets_s))
    found = (f'{second.topic} is {abs(typical_s) * 1e3:.1f} ms '
             f'{"after" if typical_s >= 0 else "before"} {first.topic}, nine of ten within '
             f'{worst_s * 1e3:.1f} ms')
    slop_s = math.ceil(worst_s * _SLOP_MARGIN * 1e3 + 1) / 1e3
    if slop_s > period_s(first) / 2:
        return error(
            check, f'{found}: too far to tell which belong together at '
            f'{1 / period_s(first):.1f} Hz', cure)
    if config.synchronization == 'exact':
        return error(
            check, found, f'{cure}, or set input.synchronization to approximate and '
            f'input.slop_s to {slop_s:g}')
    if worst_s >= config.slop_s:
        return error(
            check, f'{found}, and input.slop_s is {config.slop_s:g}',
            f'{cure}, or set input.slop_s to {slop_s:g}')
    return ok(check, f'{found}, within input.slop_s of {config.slop_s:g}')


def _offsets_s(first: InputTopic, second: InputTopic) -> NDArray[np.float64]:
    """Differences of the nearest stamps: second minus first [s].

    Limited to the time in which both were received, since subscriptions start and end at
    different times.
    """
    left, right = _sorted(first.stamps_ns), _sorted(second.stamps_ns)
    if not len(left) or not len(right):
        return np.empty(0)
    if len(left) > 1:
        reach = int(np.median(np.diff(left))) // 2
        left = left[(left >= right[0] - reach) & (left <= right[-1] + reach)]
    after = np.clip(np.searchsorted(right, left), 0, len(right) - 1)
    before = np.maximum(after - 1, 0)
    to_after, to_before = right[after] - left, right[before] - left
    nearest = np.where(np.abs(to_before) < np.abs(to_after), to_before, to_after)
    return np.asarray(nearest / 1e9, np.float64)


def _sorted(values: Any) -> Times:
    return np.unique(np.array(values, np.int64))


def check_stamps(observations: Observations, uses_sim_time: bool) -> Finding:
    """Compare the stamps of the images with the clock.

    Args:
        observations: Observations of the system.
        uses_sim_time: True if the clock is /clock instead of that of this machine.
    """
    check = 'clock skew'
    images = [topic for topic in observations.images if topic.stamps_ns]
    if not images:
        return skipped(check, 'no image came')
    for topic in images:
        if not any(topic.stamps_ns):
            return error(
                check, f'all stamps of {topic.topic} are zero',
                'let the camera driver stamp its images')
        if (np.diff(topic.stamps_ns) < 0).any():
            return warning(
                check, f'stamps of {topic.topic} jump back',
                'that is right for a bag that loops; else look for a second publisher or a clock '
                'that was set')
    if uses_sim_time and not observations.clock_ns:
        return skipped(check, 'nothing came on /clock to compare with')
    ages_s = {topic: _age_s(topic, observations, uses_sim_time) for topic in images}
    topic = max(ages_s, key=lambda entry: abs(ages_s[entry]))
    return _judge_age(check, topic, ages_s[topic], '/clock' if uses_sim_time else 'this clock')


def _age_s(topic: InputTopic, observations: Observations, uses_sim_time: bool) -> float:
    """Median time from stamp to reception [s]."""
    now: NDArray[Any] = np.array(topic.received_ns, np.int64)
    if uses_sim_time:
        base = observations.clock_received_ns[0], observations.clock_ns[0]
        now = base[1] + np.interp(
            now - base[0], np.array(observations.clock_received_ns, np.int64) - base[0],
            np.array(observations.clock_ns, np.int64) - base[1]).astype(np.int64)
    return float(np.median(now - np.array(topic.stamps_ns, np.int64))) / 1e9


def _judge_age(check: str, topic: InputTopic, age_s: float, clock: str) -> Finding:
    synchronise = 'synchronise the clocks of the machines with chrony or PTP'
    if age_s < -_EARLY_S:
        return warning(
            check, f'stamps of {topic.topic} are {_duration(-age_s)} ahead of {clock}',
            synchronise)
    if age_s > _REPLAY_S:
        return warning(
            check, f'stamps of {topic.topic} are {_duration(age_s)} old',
            'for a bag: ros2 bag play --clock, and use_sim_time true in the node; else set the '
            'clock of the camera')
    if age_s > _LATE_S:
        sent_ns = np.array(topic.sent_ns, np.int64)
        lag_s = float(np.median(np.array(topic.received_ns, np.int64) - sent_ns)) / 1e9
        if sent_ns.any() and abs(lag_s) < _CLOCKS_AGREE_S:
            return warning(
                check, f'stamps of {topic.topic} are {_duration(age_s)} old, though the clocks '
                'of the machines agree',
                'the camera or its driver holds images back or stamps by a clock of its own: '
                'reduce its buffers, or let it stamp by the clock of its machine')
        return warning(
            check, f'stamps of {topic.topic} are {_duration(age_s)} behind {clock}', synchronise)
    return ok(check, f'images come {age_s * 1e3:.1f} ms after their stamp by {clock}')


def _duration(seconds: float) -> str:
    for unit, length in (('days', 86400.0), ('h', 3600.0), ('s', 1.0)):
        if seconds >= 2 * length:
            return f'{seconds / length:,.1f} {unit}'
    return f'{seconds * 1e3:.1f} ms'


def check_clock(observations: Observations, uses_sim_time: bool | None) -> Finding:
    """Check that the node and /clock use the same time.

    Args:
        observations: Observations of the system.
        uses_sim_time: Parameter use_sim_time of the node; None if unknown.
    """
    check, publishers = '/clock', ', '.join(observations.clock_publishers)
    if uses_sim_time and not publishers:
        return error(
            check, 'the node has use_sim_time, and nobody publishes /clock',
            'play the bag with --clock, or start the node with use_sim_time:=false')
    if uses_sim_time and len(set(observations.clock_ns)) < 2:
        return warning(
            check, f'{publishers} publishes /clock, but the time on it stands still',
            'resume the player or the simulation')
    if publishers and uses_sim_time is False:
        return warning(
            check, f'{publishers} publishes /clock, and the node takes the time of its machine',
            'start the node with use_sim_time:=true, or stop the player')
    if not publishers:
        return ok(check, 'not published, and not needed')
    return ok(check, f'published by {publishers}')
