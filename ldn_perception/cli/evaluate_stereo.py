# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn evaluate-stereo`: score matchers on pairs with known disparity, with pictures.

OUTPUT becomes a folder with scores.json, index.html and the pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
import json
from pathlib import Path
import re
import time
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ldn_perception.build_stereo import build_matcher
from ldn_perception.cli import options
from ldn_perception.cli.options import make_output_folder
from ldn_perception.config import PerceptionConfig, parse_assignments, read_parameter_file
from ldn_perception.data.registry import open_stereo_folder
from ldn_perception.data.stereo_pairs import StereoPair
from ldn_perception.errors import ConfigError
from ldn_perception.evaluation.pages import write_gallery
from ldn_perception.metrics.pair_scorer import plain
from ldn_perception.metrics.stereo import StereoScores
from ldn_perception.pictures import (
    ERROR_LEGEND,
    Picture,
    captioned,
    color_disparity,
    color_disparity_error,
    write_picture,
)
from ldn_perception.stereo.matcher import Matcher
from ldn_perception.types import DisparityMap

EXAMPLE = 'ldn evaluate-stereo kitti2015 --matchers sgbm,census --output build/stereo'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'folders', type=Path, nargs='+', metavar='FOLDER',
        help='pairs with ground truth: KITTI stereo or one pair of it, Middlebury scenes, or a '
        'drive of ldn synthesize --images; each is a set of its own')
    options.add_config(parser)
    options.add_set(parser)
    options.add_limit(parser)
    options.add_pictures(parser, default=1)
    options.add_output(parser, 'build/stereo')
    parser.add_argument(
        '--matchers', default='sgbm,bm,census', metavar='NAMES',
        help='separated by commas, with options: sgbm,census:num_paths=8:fills_holes=true')


def run(given: argparse.Namespace) -> int:
    """Match, score and draw."""
    options.check_limit(given.limit)
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    matchers = build_matchers(given.matchers, {
        **(read_parameter_file(given.config) if given.config is not None else {}),
        **parse_assignments(given.overrides)})
    make_output_folder(given.output)
    folder = given.output / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('*.png'):
        old.unlink()

    sets: dict[str, dict[str, Any]] = {}
    drawn: dict[str, list[str]] = {}
    with Progress(console=console) as progress:
        for root in given.folders:
            pairs, name = open_stereo_folder(root), root.resolve().name
            found = {matcher: SetScores() for matcher in matchers}
            drawn[name] = []
            number = min(len(pairs), given.limit or len(pairs))
            for index in progress.track(range(number), description=name):
                pair = pairs[index]
                for matcher_name, matcher in matchers.items():
                    disparity = found[matcher_name].add(matcher, pair)
                    if index < given.pictures:
                        file = _file_name(name, pair.name, matcher_name)
                        write_picture(folder / file, draw_pair(pair, disparity, matcher_name))
                        drawn[name].append(file)
            sets[name] = {matcher: scores.to_json() for matcher, scores in found.items()}

    report = {'folders': [str(root) for root in given.folders], 'options': given.overrides,
              'sets': sets}
    (given.output / 'scores.json').write_text(json.dumps(report, indent=2) + '\n')
    table = score_table(sets)
    page = write_stereo_page(given.output, table, drawn)
    console.print(table)
    console.print(f'scores: {given.output / "scores.json"}   page: {page}', soft_wrap=True)
    return 0


def _file_name(*parts: str) -> str:
    return '_'.join(re.sub(r'[^A-Za-z0-9.=-]+', '-', part) for part in parts) + '.png'


TABLE_WIDTH = 130
"""Width of the table [characters]."""

_COLUMNS = (
    ('d1_all', 'D1', 100), ('bad_1_all', 'bad-1', 100), ('bad_2_all', 'bad-2', 100),
    ('bad_3_all', 'bad-3', 100), ('bad_3_matched', 'bad-3 matched', 100),
    ('end_point_error_px', 'error px', 1), ('density', 'density', 100),
)


@dataclass
class SetScores:
    """Scores of one matcher on one set.

    Attributes:
        scores: Errors pooled over the pairs.
        seconds: Time of each pair [s].
    """

    scores: StereoScores = field(default_factory=StereoScores)
    seconds: list[float] = field(default_factory=list)

    def add(self, matcher: Matcher, pair: StereoPair) -> DisparityMap:
        """Match a pair, score the disparity and return it."""
        started = time.perf_counter()
        found = matcher.match(pair.frame)
        disparity = found.to_host()
        self.seconds.append(time.perf_counter() - started)
        self.scores.accumulate(disparity, pair.disparity)
        return found

    def to_json(self) -> dict[str, Any]:
        """Shares in [0, 1], errors in pixels and times in seconds; None for undefined values."""
        return dict(plain({
            'pairs': len(self.seconds), **self.scores.to_json(),
            'median_seconds': sorted(self.seconds)[len(self.seconds) // 2]}))


def build_matchers(names: str, shared: Mapping[str, Any]) -> dict[str, Matcher]:
    """Build the matchers named on the command line.

    Args:
        names: Names separated by commas, each with its own options after colons, as in
            'sgbm,census:num_paths=8:fills_holes=true'.
        shared: Values of parameters for all matchers.

    Raises:
        ConfigError: A matcher or option is unknown, or a value is invalid.
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
    """Table of all sets and matchers.

    Args:
        sets: Scores by set and matcher, from `SetScores.to_json`.
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


TILE_WIDTH_PX = 480


def draw_pair(pair: StereoPair, found: DisparityMap, matcher: str) -> Picture:
    """Draw left image, disparity and its error, side by side.

    Args:
        pair: Pair with ground truth.
        found: Disparity of a matcher.
        matcher: Name of the matcher.

    Returns:
        (h + 22, 3 * 480, 3) uint8 RGB.
    """
    disparity = found.to_host()
    known = pair.disparity[np.isfinite(pair.disparity)]
    warmest = float(known.max()) if known.size else found.max_disparity
    tiles = (
        (f'{pair.name}', pair.frame.left),
        (f'{matcher}: {100 * found.density:.1f} % known',
         color_disparity(disparity, warmest)),
        (f'error: {ERROR_LEGEND}', color_disparity_error(disparity, pair.disparity)),
    )
    return np.hstack([captioned(_resized(image), text) for text, image in tiles])


def _resized(image: Picture) -> Picture:
    height = max(1, round(image.shape[0] * TILE_WIDTH_PX / image.shape[1]))
    return np.asarray(cv2.resize(
        image, (TILE_WIDTH_PX, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def write_stereo_page(folder: Path, table: Table, pictures: dict[str, list[str]]) -> Path:
    """Write index.html, which depends only on the pictures beside it.

    Args:
        folder: Existing output folder.
        table: The scores.
        pictures: File names in the folder pictures, by set.

    Returns:
        Path of the page.
    """
    console = Console(width=TABLE_WIDTH, color_system=None)
    with console.capture() as captured:
        console.print(table)
    page = folder / 'index.html'
    write_gallery(
        page, 'Stereo matchers', captured.get(), list(pictures.items()),
        note=f'Error: {ERROR_LEGEND}, black without ground truth.')
    return page
