# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a check says."""


from __future__ import annotations

from dataclasses import dataclass
import enum


class State(enum.Enum):
    """How bad a finding is."""

    OK = 'ok'
    WARNING = 'warning'
    """Results come, but not all of them, later or worse than they could."""
    ERROR = 'error'
    """No results come, or wrong ones."""
    SKIPPED = 'skipped'
    """What the check looks at is not there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at.
        state: How bad it is.
        found: What was found.
        advice: What to do, with the parameter or command; empty where there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str = ''


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, State.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Results come all the same."""
    return Finding(check, State.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """No results come, or wrong ones."""
    return Finding(check, State.ERROR, found, advice)


def skipped(check: str, found: str, advice: str = '') -> Finding:
    """Nothing to look at, and why."""
    return Finding(check, State.SKIPPED, found, advice)


def error_of(check: str, sentence: str) -> Finding:
    """Finding of an error of this package: what it says after the last colon is the advice."""
    found, _, advice = sentence.rpartition(': ')
    return error(check, found or sentence, advice if found else 'read the log of the node')
