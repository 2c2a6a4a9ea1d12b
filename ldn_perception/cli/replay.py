# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn replay`: run every pair of bags through the pipeline offline and score them; resumable.

OUTPUT becomes a folder with a folder for each configuration; the same command resumes a replay.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
import json
from pathlib import Path
import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ldn_perception.cli import options
from ldn_perception.cli.given_weights import add_node_options, read_node_values
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.processes import StopSignals
from ldn_perception.cli.replay_configuration import (
    Configuration,
    ReplayRequest,
    parse_configurations,
    replay_configuration,
)
from ldn_perception.cli.replay_fleet import Fleet, replay_on_fleet
from ldn_perception.evaluation.replay import Watcher
from ldn_perception.evaluation.replay_folder import write_json
from ldn_perception.evaluation.report_page import write_page
from ldn_perception.hardware import keep_freed_memory

EXAMPLE = 'ldn replay DRIVE --weights ldn121_road --output runs/replay'

_MIN_TABLE_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'bags', type=Path, nargs='+', metavar='BAG',
        help='rosbag2 folder, .mcap, .db3 or ROS 1 .bag; several are replayed one after the other')
    add_node_options(parser)
    options.add_inference(parser)
    options.add_output(parser)
    parser.add_argument(
        '--ground-truth', type=Path, metavar='FOLDER',
        help='images in labels/ labelIds/ semantic/ foreign/ disparity/ disp_occ_0/, named by the '
        'stamp [ns] or the number of their pair, where the bag has none; with several bags in '
        'FOLDER/<name of the bag>/')
    parser.add_argument(
        '--compare', metavar='MODELS',
        help='models or names of shipped weights separated by commas, with options: '
        'ldn121_road,ldn121_road:stereo.matcher=census')
    parser.add_argument('--no-bag', action='store_true', help='write no bag of results')
    parser.add_argument(
        '--no-images', action='store_true', help='leave the left images out of that bag')
    parser.add_argument(
        '--ray', metavar='ADDRESS',
        help='share the bags among the machines of a Ray cluster: auto, host:port, or local for '
        'this one; bags, weights and --output must be on a file system that all of them share, '
        'under the same paths')
    parser.add_argument(
        '--ray-cpus', type=int, default=1, metavar='N',
        help='CPUs and threads for each bag; as many as a machine has makes it one bag a machine; '
        'on the GPU each bag takes one')


def run(given: argparse.Namespace) -> int:
    """Replay, score and compare; 0 if every pair was replayed, 130 if a signal stopped it."""
    configurations = parse_configurations(read_node_values(given), given.compare)
    request = ReplayRequest(
        tuple(given.bags), given.ground_truth, not given.no_bag, not given.no_images)
    for configuration in configurations:
        request.settings(configuration)  # raises on invalid settings before anything is built
    fleet = None if given.ray is None else Fleet(given.ray, given.ray_cpus)
    make_output_folder(given.output)
    keep_freed_memory()

    console = Console()
    console.width = max(console.width, _MIN_TABLE_WIDTH)
    if fleet is None:
        stopped_by, errors = _replay_all(request, configurations, given.output, console)
    else:
        stopped_by, errors = replay_on_fleet(
            request, configurations, given.output, fleet, console)
    for error in errors:
        print(f'ldn: {error}', file=sys.stderr)
    code = _conclude(configurations, given.output, console)
    if stopped_by:
        console.print(f'stopped by {stopped_by}; the same command goes on', soft_wrap=True)
        return 130
    return 1 if errors else code


def _conclude(
    configurations: Sequence[Configuration], output: Path, console: Console,
) -> int:
    """Compare the available results; 0 if every configuration has a result."""
    names = [entry.name for entry in configurations
             if (output / entry.name / 'scores.json').is_file()]
    if not names:
        return 1
    write_json(output / 'comparison.json', {'configurations': names})
    scores = {name: json.loads((output / name / 'scores.json').read_text()) for name in names}
    page = write_page(output)
    console.print(score_table(scores))
    console.print(f'report: {page}   results: {output}', soft_wrap=True)
    return 0 if all(entry['pairs']['processed'] for entry in scores.values()) else 1


def _replay_all(
    request: ReplayRequest, configurations: Sequence[Configuration], output: Path,
    console: Console,
) -> tuple[str, list[str]]:
    """Replay on this machine, one configuration after the other.

    Returns:
        Name of the signal that stopped it, or an empty string; and an empty list of errors, since
        the first error ends the replay.
    """
    with StopSignals() as signals:
        complete = all(
            _replay(request, configuration, output, console, signals)
            for configuration in configurations)
    return '' if complete else signals.received, []


def _replay(
    request: ReplayRequest, configuration: Configuration, output: Path, console: Console,
    signals: StopSignals,
) -> bool:
    """Replay one configuration with a progress bar; return True if it is complete."""
    with Progress(
        TextColumn('{task.description:32}'), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), console=console,
    ) as progress:
        task = progress.add_task(configuration.name, total=None)
        watcher = Watcher(
            lambda done, total: progress.update(task, completed=done, total=total),
            lambda: bool(signals.received))
        return replay_configuration(request, configuration, output / configuration.name, watcher)


Scores = Mapping[str, Any]


def _percent(value: float) -> str:
    return f'{100 * value:.1f} %'


_ROWS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ('pairs in the bags', 'pairs.pairs', str),
    ('pairs replayed', 'pairs.processed', str),
    ('left images without a partner', 'pairs.unpaired_images', str),
    ('mIoU', 'segmentation.mean_iou', _percent),
    ('pixel accuracy', 'segmentation.pixel_accuracy', _percent),
    ('category mIoU', 'segmentation.mean_category_iou', _percent),
    ('OOD average precision', 'ood.average_precision', _percent),
    ('OOD false positives at 95 % recall', 'ood.fpr95', _percent),
    ('disparity D1, all ground truth', 'disparity.d1_all', _percent),
    ('pixels with a disparity', 'mean_disparity_density', _percent),
    ('mean foreign probability', 'mean_foreign_probability', _percent),
    ('mean foreign probability, most foreign pair', 'max_mean_foreign_probability', _percent),
    ('OOD share, mean', 'mean_ood_share', _percent),
)


def score_table(configurations: Mapping[str, Scores]) -> Table:
    """Table of scores, with a column for each configuration.

    Args:
        configurations: Name -> contents of scores.json.
    """
    table = Table(title='replay', title_justify='left')
    table.add_column('')
    for name in configurations:
        table.add_column(name, justify='right', overflow='fold')
    for text, path, form in _ROWS:
        found = [_at(scores, path) for scores in configurations.values()]
        table.add_row(text, *('–' if value is None else form(value) for value in found))
    reasons = sorted({reason for scores in configurations.values()
                      for reason in scores['pairs']['dropped']})
    for reason in reasons:
        table.add_row(f'pairs dropped: {reason}', *(
            str(scores['pairs']['dropped'].get(reason, 0)) for scores in configurations.values()))
    _add_stages(table, configurations)
    return table


def _add_stages(table: Table, configurations: Mapping[str, Scores]) -> None:
    stages = dict.fromkeys(
        stage for scores in configurations.values() for stage in scores['latency'])
    for stage in stages:
        cells = []
        for scores in configurations.values():
            times = scores['latency'].get(stage)
            cells.append('–' if times is None else ' / '.join(
                f'{times[key]:.1f}' for key in ('p50_ms', 'p95_ms', 'p99_ms')))
        table.add_row(f'{stage}, p50 / p95 / p99, ms', *cells)


def _at(scores: Scores, path: str) -> Any:
    value: Any = scores
    for key in path.split('.'):
        value = None if value is None else value.get(key)
    return value
