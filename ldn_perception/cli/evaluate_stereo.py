# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn evaluate-stereo`: matchers on pairs with known disparity, scored and drawn.

OUTPUT becomes a folder with scores.json, index.html and the pictures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import re
from typing import Any

from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli import options
from ldn_perception.cli.outputs import make_output_folder
from ldn_perception.cli.picture_tiles import write_picture
from ldn_perception.cli.stereo_evaluation import (
    TABLE_WIDTH,
    SetScores,
    build_matchers,
    score_table,
)
from ldn_perception.cli.stereo_pictures import draw_pair, write_stereo_page
from ldn_perception.datasets.stereo_folders import open_stereo_folder
from ldn_perception.parameter_file import parse_assignments, read_parameter_file

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
    """Match, score, draw."""
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
