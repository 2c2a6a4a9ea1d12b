# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Domain alarm, with hysteresis, for images that are out of distribution as a whole."""

from __future__ import annotations

from dataclasses import dataclass
import math

_LONGEST_STEP = 0.5  # of the time constant, so that a single image has limited influence


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """Conditions for raising and clearing the alarm.

    Attributes:
        raise_above: Mean OOD share above which the alarm is raised, in [0, 1]; 1 disables it.
        clear_below: Mean OOD share below which the alarm is cleared, <= raise_above.
        time_constant_s: Time constant of the exponential mean [s], > 0.
    """

    raise_above: float = 0.5
    clear_below: float = 0.35
    time_constant_s: float = 2.0

    @property
    def is_off(self) -> bool:
        """True if the alarm is disabled."""
        return self.raise_above >= 1


@dataclass(frozen=True, slots=True)
class AlarmState:
    """State of the alarm after an image.

    Attributes:
        ood_share: Mean OOD share, in [0, 1].
        raised_s: Time since the alarm was raised [s]; None if it is not raised.
    """

    ood_share: float = 0.0
    raised_s: float | None = None


class DomainAlarm:
    """Exponential mean of the OOD share over time, and an alarm on it.

    The mean starts at 0 (in distribution). The time step is at most half of the time constant;
    this value is also used for the first image and for a stamp that jumps back.

    Args:
        rule: Conditions of the alarm; may be replaced at any time, effective with the next image.

    Attributes:
        state: State after the last image; may be read from any thread.
    """

    def __init__(self, rule: AlarmRule) -> None:
        self.rule = rule
        self.state = AlarmState()
        self._last_ns: int | None = None

    def update(self, stamp_ns: int, ood_share: float) -> AlarmState:
        """Update the mean and the alarm with one image.

        Args:
            stamp_ns: Stamp of the image [ns].
            ood_share: Share of its pixels whose mask is set, in [0, 1].

        Returns:
            The new state. raised_s is 0 if this image raised the alarm.
        """
        rule, before = self.rule, self.state
        longest_s = _LONGEST_STEP * rule.time_constant_s
        passed_s = math.inf if self._last_ns is None else (stamp_ns - self._last_ns) / 1e9
        self._last_ns = stamp_ns
        if passed_s < 0:
            passed_s = math.inf
        weight = -math.expm1(-min(passed_s, longest_s) / rule.time_constant_s)
        mean = before.ood_share + weight * (ood_share - before.ood_share)
        if before.raised_s is None:
            raised_s = 0.0 if mean > rule.raise_above else None
        elif mean < rule.clear_below:
            raised_s = None
        else:
            raised_s = before.raised_s + (passed_s if passed_s < math.inf else 0.0)
        self.state = AlarmState(mean, raised_s)
        return self.state


def describe_alarm(state: AlarmState, rule: AlarmRule) -> str:
    """Describe a raised alarm in one sentence; empty if it is not raised."""
    if state.raised_s is None or rule.is_off:
        return ''
    text = f'out of domain for {state.raised_s:.1f} s: OOD share {state.ood_share:.2f}'
    if state.ood_share > rule.raise_above:
        return f'{text} > {rule.raise_above:g}, the network does not know what the camera sees'
    return f'{text} not yet below {rule.clear_below:g}'
