# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn demo`: play a drive to the ROS node over DDS, score it and draw pictures.

Without a source it renders a synthetic drive. OUTPUT becomes a folder with the drive, the recorded
results, a report and the pictures.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from itertools import islice
import json
from pathlib import Path
import shutil
import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
import yaml

from ldn_perception.build import build_perception, find_weights
from ldn_perception.cli import options
from ldn_perception.cli.demo_score import DemoScore, draw, join, score_recording, to_json
from ldn_perception.cli.given_weights import add_node_options, read_node_values
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.processes import NodeProcess, isolated_environment
from ldn_perception.cli.recorded_results import read_results
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_messages import RawBag
from ldn_perception.data.bag_reader import COMPRESSED_IMAGE, StereoBagReader, find_stereo_topics
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.data.sources import is_bag
from ldn_perception.errors import BagError, LdnPerceptionError
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.inference.prepared_engine import PreparedEngine
from ldn_perception.pictures import write_picture
from ldn_perception.synthetic_drive import ParallelDrive, SyntheticDrive
from ldn_perception.taxonomy import TAXONOMIES
from ldn_perception.types import Quantity

EXAMPLE = 'ldn demo DRIVE --output build/demo'

RECORDED = ('labels', 'ood_mask', 'foreign_probability', 'overlay', 'disparity')
_START_S = 120.0
_POLL_S = 0.5
_SETTLE_S = 3.0  # after this time without results, no more are expected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'source', type=Path, nargs='?', metavar='SOURCE',
        help='folder of rectified pairs with calibration, or a bag, of raw images where '
        'input.rectify is set')
    add_node_options(parser)
    options.add_inference(parser)
    options.add_pictures(parser, default=6)
    options.add_output(parser, 'build/demo')
    options.add_drive(parser)
    parser.add_argument(
        '--speed', type=float, default=1.0, metavar='FACTOR',
        help='speed of the playback against that of the recording')


def run(given: argparse.Namespace) -> int:
    """Replay, record, score and draw; 0 if there are results and every process ended with 0."""
    console = Console()
    config = PerceptionConfig.from_values({**_demo_values(given), **read_node_values(given)})
    output: Path = given.output
    make_output_folder(output)
    shutil.rmtree(output / 'results', ignore_errors=True)
    shutil.rmtree(output / 'pictures', ignore_errors=True)
    (output / 'pictures').mkdir(parents=True)

    drive = _prepare_drive(given, output, console)
    _prepare_engine(drive, config, console)
    codes, played = _replay(drive, config, given.speed, output, console)
    score = score_recording(
        output / 'results', StereoBagReader(drive, rectify=config.input.rectify), played,
        TAXONOMIES[config.model.taxonomy])
    _draw_pictures(output, drive, played, config, given.pictures)

    (output / 'report.json').write_text(json.dumps(to_json(score), indent=2) + '\n')
    console.print(_table(score, config))
    console.print(f'pictures: {output / "pictures"}   results: {output / "results"}   '
                  f'logs: {output}', soft_wrap=True)
    failed = {name: code for name, code in codes.items() if code}
    for name, code in failed.items():
        console.print(f'[red]{name} ended with exit code {code}: {output / name}.log')
    return 1 if failed or not score.recorded else 0


def _demo_values(given: argparse.Namespace) -> dict[str, Any]:
    """Default parameters of the demo that differ from those of the node."""
    # No pair of the short drive may be lost, and silence after its end is not an error.
    values: dict[str, Any] = {'input.reliability': 'reliable', 'monitoring.silence_s': 60.0}
    if given.source is None:
        values['stereo.max_disparity'] = 64
    return values


def _prepare_drive(given: argparse.Namespace, output: Path, console: Console) -> Path:
    if given.source is not None and is_bag(given.source):
        return Path(given.source)
    drive = output / 'drive'
    shutil.rmtree(drive, ignore_errors=True)
    samples: Any
    if given.source is not None:
        samples, text = ImageFolder(given.source), f'reading {given.source}'
    else:
        samples = ParallelDrive(SyntheticDrive(given.seed, given.frames))
        text = 'rendering a synthetic drive'
    write_drive(samples, drive, text, console)
    return drive


def _prepare_engine(drive: Path, config: PerceptionConfig, console: Console) -> None:
    """Export and choose the engine in advance: the drive would end before the node has done so."""
    keep_freed_memory()  # as in the node, so that the timings are the same
    # Errors of the drive or the configuration are reported by the node.
    with console.status('preparing the engine'), suppress(LdnPerceptionError):
        pipeline = build_perception(config).pipeline
        if isinstance(pipeline.engine, PreparedEngine):
            for sample in islice(StereoBagReader(drive, rectify=config.input.rectify), 1):
                pipeline.process(sample.frame, Quantity.NOTHING)


def write_drive(samples: Any, path: Path, text: str, console: Console) -> None:
    """Write samples to a bag, with a progress bar.

    Args:
        samples: Sized iterable of samples with frame, labels, foreign and disparity.
        path: Bag to create.
        text: Description of the work.
        console: Console of the progress bar.
    """
    with StereoBagWriter(path) as writer, _progress(console) as progress:
        for sample in progress.track(samples, len(samples), description=text):
            writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description:32}'), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), console=console)


def _replay(
    drive: Path, config: PerceptionConfig, speed: float, output: Path, console: Console,
) -> tuple[dict[str, int], dict[int, int]]:
    """Run node, recorder and player; return exit codes by name, recorded -> played stamps [ns]."""
    environment = isolated_environment()
    parameters = output / 'parameters.yaml'
    parameters.write_text(yaml.safe_dump(
        {'/**': {'ros__parameters': _for_drive(config, drive).to_values()}}))
    stamps = output / 'played.json'
    stamps.unlink(missing_ok=True)
    nodes: dict[str, NodeProcess] = {}

    def start(name: str, *arguments: str) -> NodeProcess:
        nodes[name] = NodeProcess(name, arguments, output / f'{name}.log', environment)
        return nodes[name]

    try:
        node = start('stereo_seg_node', '--ros-args', '--params-file', str(parameters))
        recorder = start('bag_recorder', str(output / 'results'), *RECORDED)
        with _progress(console) as progress:
            task = progress.add_task('starting the node', total=None)
            if _are_connected(node, recorder):
                player = start(
                    'bag_player', str(drive), '--rate', str(speed), '--report', str(stamps),
                    *(['--raw'] if config.input.rectify else []))
                _follow(player, node, progress, task)
        _wait_until_settled(recorder)
    finally:
        # The recorder first: it must not wait for a node that has ended.
        codes = {name: nodes[name].stop() for name in reversed(nodes)}
    if not stamps.is_file():
        raise BagError(
            'replay', must_be='played to its end',
            got='; '.join(f'{name} exit code {code}' for name, code in codes.items() if code)
            or 'no report of the player',
            do=f'read the logs in {output}')
    return codes, {int(old): new for old, new in json.loads(stamps.read_text()).items()}


def _for_drive(config: PerceptionConfig, drive: Path) -> PerceptionConfig:
    kinds = RawBag(drive).topics
    rig = find_stereo_topics(kinds, raw=config.input.rectify)
    compressed = kinds[rig.left_image] == COMPRESSED_IMAGE
    return PerceptionConfig.from_values({
        **config.to_values(), 'input.transport': 'compressed' if compressed else 'raw'})


def _are_connected(node: NodeProcess, recorder: NodeProcess) -> bool:
    """Wait until the recorder is connected to every result: a drive may have only one pair."""
    deadline = time.monotonic() + _START_S
    while node.is_running() and recorder.is_running() and time.monotonic() < deadline:
        report = recorder.read_report(_POLL_S)
        if report is not None and not report['unheard']:
            return True
    return False


def _follow(player: NodeProcess, node: NodeProcess, progress: Progress, task: TaskID) -> None:
    while player.is_running() and node.is_running():
        report = player.read_report(_POLL_S)
        if report is not None:
            progress.update(
                task, description='replaying over DDS', completed=report['sent'],
                total=report['of'])


def _wait_until_settled(recorder: NodeProcess) -> None:
    counts, since = None, time.monotonic()
    while time.monotonic() - since < _SETTLE_S and recorder.is_running():
        report = recorder.read_report(_POLL_S)
        if report is not None:
            report.pop('/diagnostics')  # is published all the time
            if report != counts:
                counts, since = report, time.monotonic()


def _draw_pictures(
    output: Path, drive: Path, played: dict[int, int], config: PerceptionConfig, number: int,
) -> None:
    taxonomy = TAXONOMIES[config.model.taxonomy]
    total = sum(1 for _ in read_results(output / 'results'))
    chosen = {round(i * (total - 1) / max(1, number - 1)) for i in range(min(number, total))}
    truth = StereoBagReader(drive, rectify=config.input.rectify)
    pairs = join(read_results(output / 'results'), truth, played)
    for index, (result, sample) in enumerate(pairs):
        if index in chosen:
            write_picture(
                output / 'pictures' / f'{index:06d}.png',
                draw(result, sample, taxonomy, config.stereo.max_disparity))


def _table(score: DemoScore, config: PerceptionConfig) -> Table:
    weights = find_weights(config.model) or '[bold red]UNTRAINED, labels mean nothing[/]'
    table = Table(
        title=f'{config.model.name} ({weights})', title_justify='left', show_header=False)
    table.add_row('pairs sent', str(score.sent))
    table.add_row('pairs lost before the node', str(score.lost))
    table.add_row('pairs processed', str(score.processed))
    for reason, count in score.dropped.items():
        table.add_row(f'pairs dropped: {reason}', str(count))
    if score.unfinished:
        table.add_row('pairs unfinished', str(score.unfinished))
    table.add_row('results recorded', str(score.recorded))
    if score.latency is not None:
        latency = score.latency.latency
        table.add_row(
            'stamp to publish, p50 / p95 / p99',
            f'{latency.p50_ms:.1f} / {latency.p95_ms:.1f} / {latency.p99_ms:.1f} ms')
        table.add_row('results per second', f'{score.latency.rate_hz:.1f}')
    for stage, milliseconds in score.stage_ms.items():
        table.add_row(f'stage: {stage} (median)', f'{milliseconds:.1f} ms')
    table.add_row('mIoU', _percent(score.mean_iou))
    table.add_row('OOD average precision', _percent(score.ood_average_precision))
    table.add_row('pixels with a disparity', _percent(score.disparity_density))
    table.add_row('disparity D1, all ground truth', _percent(score.d1))
    table.add_row('node says', score.state or 'nothing')
    return table


def _percent(share: float | None) -> str:
    return 'no ground truth' if share is None else f'{share * 100:.1f} %'
