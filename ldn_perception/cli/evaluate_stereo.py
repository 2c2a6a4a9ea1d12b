# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn evaluate-stereo`: matchers on pairs with known disparity, scored and drawn."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import re
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli.picture_tiles import write_picture
from ldn_perception.cli.stereo_evaluation import (
    TABLE_WIDTH,
    SetScores,
    build_matchers,
    score_table,
)
from ldn_perception.cli.stereo_pictures import draw_pair, write_stereo_page
from ldn_perception.datasets.stereo_folders import open_stereo_folder
from ldn_perception.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'folders', type=Path, nargs='+', metavar='FOLDER',
        help='pairs with ground truth: KITTI stereo or one pair of it, Middlebury scenes, or a '
        'drive of ldn synthesize --images; each is a set of its own')
    parser.add_argument(
        '--matchers', default='sgbm,bm,census', metavar='NAMES',
        help='separated by commas, with options: sgbm,census:num_paths=8:fills_holes=true')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='overrides',
        help='any parameter of the node, for all matchers; repeat for more')
    parser.add_argument('--limit', type=int, help='only so many pairs of a set, the first ones')
    parser.add_argument('--pictures', type=int, default=1, help='pairs of a set to draw')
    parser.add_argument(
        '--output', type=Path, default=Path('build/stereo'),
        help='folder for scores.json, index.html and the pictures')


def run(options: argparse.Namespace) -> int:
    """Match, score, draw."""
    if options.limit is not None and options.limit < 1:
        raise ConfigError(
            '--limit', must_be='at least 1', got=options.limit, do='leave it out for all pairs')
    console = Console()
    console.width = max(console.width, TABLE_WIDTH)
    matchers = build_matchers(options.matchers, options.overrides)
    folder = options.output / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob('*.png'):
        old.unlink()

    sets: dict[str, dict[str, Any]] = {}
    drawn: dict[str, list[str]] = {}
    with Progress(console=console) as progress:
        for root in options.folders:
            pairs, name = open_stereo_folder(root), root.resolve().name
            found = {matcher: SetScores() for matcher in matchers}
            drawn[name] = []
            number = min(len(pairs), options.limit or len(pairs))
            for index in progress.track(range(number), description=name):
                pair = pairs[index]
                for matcher_name, matcher in matchers.items():
                    disparity = found[matcher_name].add(matcher, pair)
                    if index < options.pictures:
                        file = _file_name(name, pair.name, matcher_name)
                        write_picture(folder / file, draw_pair(pair, disparity, matcher_name))
                        drawn[name].append(file)
            sets[name] = {matcher: scores.to_json() for matcher, scores in found.items()}

    report = {'folders': [str(root) for root in options.folders], 'options': options.overrides,
              'sets': sets}
    (options.output / 'scores.json').write_text(json.dumps(report, indent=2) + '\n')
    table = score_table(sets)
    page = write_stereo_page(options.output, table, drawn)
    console.print(table)
    console.print(f'scores: {options.output / "scores.json"}   page: {page}', soft_wrap=True)
    return 0


def _file_name(*parts: str) -> str:
    return '_'.join(re.sub(r'[^A-Za-z0-9.=-]+', '-', part) for part in parts) + '.png'
