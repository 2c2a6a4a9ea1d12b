# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Findings of the checks."""


from __future__ import annotations

from dataclasses import dataclass
import enum


class State(enum.Enum):
    """Severity of a finding."""

    OK = 'ok'
    WARNING = 'warning'
    """There are results, but fewer, later or worse ones than possible."""
    ERROR = 'error'
    """There are no results, or wrong ones."""
    SKIPPED = 'skipped'
    """The subject of the check is not present."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check.

    Attributes:
        check: Subject of the check.
        state: Severity.
        found: Observation.
        advice: Advice, with the parameter or command; empty if there is nothing to do.
    """

    check: str
    state: State
    found: str
    advice: str = ''


def ok(check: str, found: str) -> Finding:
    """Build a finding without a problem."""
    return Finding(check, State.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """Build a finding of a problem that does not prevent results."""
    return Finding(check, State.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Build a finding of a problem that prevents results or makes them wrong."""
    return Finding(check, State.ERROR, found, advice)


def skipped(check: str, found: str, advice: str = '') -> Finding:
    """Build a finding of a check that could not run, with the reason."""
    return Finding(check, State.SKIPPED, found, advice)


def error_of(check: str, sentence: str) -> Finding:
    """Build a finding from an error message of this package; its last part is the advice."""
    found, _, advice = sentence.rpartition(': ')
    return error(check, found or sentence, advice if found else 'read the log of the node')
