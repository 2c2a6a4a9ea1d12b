# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn synthesize`: render a synthetic stereo drive with ground truth, as a bag or as images."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli import options
from ldn_perception.cli.demo import write_drive
from ldn_perception.synthetic_drive import ParallelDrive, SyntheticDrive, write_images

EXAMPLE = 'ldn synthesize --output build/town --frames 60 --seed 1'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    options.add_size(parser, default='640x320')
    options.add_output(parser)
    options.add_drive(parser)
    parser.add_argument('--images', action='store_true', help='write images instead of a bag')
    parser.add_argument(
        '--rate', type=float, default=10.0, metavar='HZ', help='pairs per second [Hz]')


def run(given: argparse.Namespace) -> int:
    """Render and write the drive."""
    console = Console()
    width_px, height_px = options.parse_size(given.size)
    drive = SyntheticDrive(given.seed, given.frames, width_px, height_px, given.rate)
    if given.images:
        with Progress(console=console) as progress:
            task = progress.add_task('rendering', total=len(drive))
            write_images(
                drive, given.output, lambda done, total: progress.update(task, completed=done))
    else:
        write_drive(ParallelDrive(drive), given.output, 'rendering', console)
    return 0
