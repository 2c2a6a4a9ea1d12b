# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matchers over sets of stereo pairs with ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import time
from typing import Any

from rich.table import Table

from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import PerceptionConfig
from ldn_perception.datasets.stereo_pairs import StereoPair
from ldn_perception.errors import ConfigError
from ldn_perception.evaluation.pair_scorer import plain
from ldn_perception.evaluation.stereo import StereoScores
from ldn_perception.frames import DisparityMap
from ldn_perception.parameter_file import parse_assignments
from ldn_perception.stereo.matcher import Matcher

TABLE_WIDTH = 130
"""Characters that the table takes."""

_COLUMNS = (
    ('d1_all', 'D1', 100), ('bad_1_all', 'bad-1', 100), ('bad_2_all', 'bad-2', 100),
    ('bad_3_all', 'bad-3', 100), ('bad_3_matched', 'bad-3 matched', 100),
    ('end_point_error_px', 'error px', 1), ('density', 'density', 100),
)


@dataclass
class SetScores:
    """Scores of one matcher on one set.

    Attributes:
        scores: Errors, pooled over the pairs.
        seconds: Of each pair [s].
    """

    scores: StereoScores = field(default_factory=StereoScores)
    seconds: list[float] = field(default_factory=list)

    def add(self, matcher: Matcher, pair: StereoPair) -> DisparityMap:
        """Match a pair and score what comes out."""
        started = time.perf_counter()
        found = matcher.match(pair.frame)
        disparity = found.to_host()
        self.seconds.append(time.perf_counter() - started)
        self.scores.accumulate(disparity, pair.disparity)
        return found

    def to_json(self) -> dict[str, Any]:
        """Parts in [0, 1], pixels and seconds; None where there is nothing to measure."""
        return dict(plain({
            'pairs': len(self.seconds), **self.scores.to_json(),
            'median_seconds': sorted(self.seconds)[len(self.seconds) // 2]}))


def build_matchers(names: str, shared: Mapping[str, Any]) -> dict[str, Matcher]:
    """Build the matchers that a command line names.

    Args:
        names: Separated by commas, each with options of its own behind colons, as in
            'sgbm,census:num_paths=8:fills_holes=true'.
        shared: Values of parameters for all of them.

    Raises:
        ConfigError: An unknown matcher or option, or a value it cannot have.
    """
    matchers = {}
    for name in names.split(','):
        kind, *own = name.split(':')
        values = {
            f'stereo.{key}': value
            for key, value in parse_assignments(
                own, 'option of a matcher', 'census:num_paths=8').items()}
        config = PerceptionConfig.from_values({**shared, 'stereo.matcher': kind, **values})
        if kind == 'external':
            raise ConfigError(
                '--matchers', must_be='matchers of pairs', got='external',
                do='leave it out: its disparities come from another node')
        matchers[name] = build_matcher(config.stereo, config.inference)
    return matchers


def score_table(sets: dict[str, dict[str, Any]]) -> Table:
    """All sets and matchers as one table.

    Args:
        sets: Scores by set and matcher, as `SetScores.to_json` gives them.
    """
    table = Table(title='disparity, % of the ground truth', title_justify='left')
    table.add_column('set', no_wrap=True)
    table.add_column('matcher', no_wrap=True)
    for _, heading, _ in _COLUMNS:
        table.add_column(heading, justify='right')
    table.add_column('ms', justify='right')
    for set_name, matchers in sets.items():
        for matcher, scores in matchers.items():
            cells = (
                '–' if scores[key] is None else f'{factor * scores[key]:.2f}'
                for key, _, factor in _COLUMNS)
            table.add_row(set_name, matcher, *cells, f'{1e3 * scores["median_seconds"]:.0f}')
        table.add_section()
    return table
