# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Latency and rate of results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ldn_perception.errors import EvaluationError

_MS_PER_NS = 1e-6
_MS_PER_S = 1e3
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class DurationSummary:
    """Distribution of a duration; percentiles interpolate between neighbouring samples.

    Attributes:
        count: Number of samples.
        mean_ms: Mean [ms].
        p50_ms: Median [ms].
        p95_ms: 95th percentile [ms].
        p99_ms: 99th percentile [ms].
        max_ms: Longest [ms].
    """

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def from_seconds(cls, seconds: Sequence[float]) -> DurationSummary:
        """Summary of durations in seconds, e.g. of a pipeline stage.

        Raises:
            EvaluationError: There are no samples, or a sample is negative or not finite.
        """
        return cls._from_ms(np.asarray(seconds, np.float64) * _MS_PER_S)

    @classmethod
    def _from_ms(cls, milliseconds: np.ndarray) -> DurationSummary:
        if not milliseconds.size:
            raise EvaluationError(
                'durations', must_be='at least one sample', got='none',
                do='check that results came out',
            )
        if not np.isfinite(milliseconds).all() or milliseconds.min() < 0:
            raise EvaluationError(
                'durations', must_be='finite and >= 0', got=f'{milliseconds.min()} ms',
                do='take both times from one clock',
            )
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        return cls(
            milliseconds.size, float(milliseconds.mean()), float(p50), float(p95), float(p99),
            float(milliseconds.max()),
        )


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Latency, age and rate of a stream of results, as seen by a subscriber.

    Attributes:
        latency: Time from exposure of a pair to publication of its result.
        peak_age: Age of the newest result just before the next one replaces it; None for fewer
            than two results.
        rate_hz: Mean rate between the first and the last result; 0 for fewer than two [Hz].
    """

    latency: DurationSummary
    peak_age: DurationSummary | None
    rate_hz: float

    @classmethod
    def from_times(
        cls, stamps_ns: Sequence[int], published_ns: Sequence[int]
    ) -> LatencySummary:
        """Summary of one run.

        Args:
            stamps_ns: Exposure time of every result, in the order of publication [ns].
            published_ns: Publication time of every result, increasing, same clock [ns].

        Raises:
            EvaluationError: There are no results, the lengths differ, publications are out of
                order, or a result is published before its exposure.
        """
        stamps = np.asarray(stamps_ns, np.int64)
        published = np.asarray(published_ns, np.int64)
        if stamps.shape != published.shape:
            raise EvaluationError(
                'publication times', must_be=f'one for each of {stamps.size} stamps',
                got=published.size, do='record both for every result',
            )
        if (np.diff(published) < 0).any():
            raise EvaluationError(
                'publication times', must_be='increasing', got='a step back in time',
                do='sort the results by publication',
            )
        latency = DurationSummary._from_ms((published - stamps) * _MS_PER_NS)
        if published.size < 2:
            return cls(latency, None, 0.0)
        peak_age = DurationSummary._from_ms((published[1:] - stamps[:-1]) * _MS_PER_NS)
        span_ns = int(published[-1] - published[0])
        rate_hz = (published.size - 1) * _NS_PER_S / span_ns if span_ns else 0.0
        return cls(latency, peak_age, rate_hz)
