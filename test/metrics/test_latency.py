# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest

from ldn_perception.errors import EvaluationError
from ldn_perception.metrics.latency import DurationSummary, LatencySummary

MS = 1_000_000


def _percentile(values, percent):
    """Linear interpolation between the two neighbouring order statistics."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * percent / 100
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def test_percentiles_interpolate_between_samples():
    seconds = [0.011, 0.007, 0.030, 0.012, 0.009, 0.2, 0.013]
    summary = DurationSummary.from_seconds(seconds)
    for name, percent in (('p50_ms', 50), ('p95_ms', 95), ('p99_ms', 99)):
        assert getattr(summary, name) == pytest.approx(_percentile(seconds, percent) * 1e3)
    assert summary.max_ms == pytest.approx(200)
    assert summary.mean_ms == pytest.approx(sum(seconds) / 7 * 1e3)
    assert summary.count == 7


def test_latency_peak_age_and_rate_of_a_regular_stream():
    start = 1_700_000_000 * 1_000_000_000
    stamps = [start + index * 100 * MS for index in range(11)]
    published = [stamp + 40 * MS for stamp in stamps]
    summary = LatencySummary.from_times(stamps, published)
    assert summary.rate_hz == pytest.approx(10)
    assert summary.latency.p50_ms == pytest.approx(40)
    assert summary.latency.max_ms == pytest.approx(40)
    assert summary.peak_age.max_ms == pytest.approx(140)
    assert summary.peak_age.count == 10


def test_a_dropped_pair_shows_in_peak_age_and_rate_but_not_in_latency():
    stamps = [0, 100 * MS, 300 * MS, 400 * MS]
    summary = LatencySummary.from_times(stamps, [stamp + 10 * MS for stamp in stamps])
    assert summary.latency.max_ms == pytest.approx(10)
    assert summary.peak_age.max_ms == pytest.approx(210)
    assert summary.rate_hz == pytest.approx(7.5)


def test_one_result_has_latency_but_neither_rate_nor_peak_age():
    summary = LatencySummary.from_times([5], [5 + 3 * MS])
    assert summary.latency.p99_ms == pytest.approx(3)
    assert summary.rate_hz == 0
    assert summary.peak_age is None


def test_results_published_at_one_instant_have_no_rate():
    assert LatencySummary.from_times([0, 1], [10, 10]).rate_hz == 0


def test_errors_say_what_to_do():
    with pytest.raises(EvaluationError, match='durations must be at least one sample, got none'):
        DurationSummary.from_seconds([])
    with pytest.raises(EvaluationError, match=r'durations must be finite and >= 0, got -1.0 ms'):
        LatencySummary.from_times([2 * MS], [MS])
    with pytest.raises(EvaluationError, match='publication times must be one for each of 2'):
        LatencySummary.from_times([1, 2], [3])
    with pytest.raises(EvaluationError, match='publication times must be increasing, got a step'):
        LatencySummary.from_times([1, 2], [9, 8])
