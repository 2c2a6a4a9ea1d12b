# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn synthesize`: a synthetic stereo drive as images or as a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli.demo import write_drive
from ldn_perception.datasets.synthetic_drive import ParallelDrive, SyntheticDrive, write_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument('output', type=Path, help='bag or folder to create')
    parser.add_argument('--images', action='store_true', help='write images instead of a bag')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--frames', type=int, default=60)
    parser.add_argument('--width', type=int, default=640, help='[px]')
    parser.add_argument('--height', type=int, default=320, help='[px]')
    parser.add_argument('--rate', type=float, default=10.0, help='pairs per second')


def run(options: argparse.Namespace) -> int:
    """Render and write."""
    console = Console()
    drive = SyntheticDrive(
        options.seed, options.frames, options.width, options.height, options.rate)
    if options.images:
        with Progress(console=console) as progress:
            task = progress.add_task('rendering', total=len(drive))
            write_images(
                drive, options.output, lambda done, total: progress.update(task, completed=done))
    else:
        write_drive(ParallelDrive(drive), options.output, 'rendering', console)
    return 0
