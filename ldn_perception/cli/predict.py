# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn predict`: labels, masks and overlays of images, folders, videos and bags.

Files go to OUTPUT/ARTEFACT/NAME.png; of videos and bags the overlays become one video. Where many
images have one size the network is exported for a faster engine first; inference.engine decides
otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
import os
from pathlib import Path
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from ldn_perception.build import options_of_weights
from ldn_perception.cli.trained_model import parse_size
from ldn_perception.cli.view import VideoClock
from ldn_perception.cli.view_frames import pad_to_even
from ldn_perception.cli.view_video import VideoWriter
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.sources import Source, open_source
from ldn_perception.errors import ConfigError, LdnPerceptionError, OutputError
from ldn_perception.inference.host_memory import keep_freed_memory
from ldn_perception.parameter_file import parse_assignments, read_parameter_file
from ldn_perception.result import ARTEFACTS, Result, check_artefacts
from ldn_perception.segmenter import Segmenter, load
from ldn_perception.stereo_camera import StereoCamera

_LEAST_IMAGES_FOR_EXPORT = 64  # an export takes as long as some tens of images
_SAVED = 'labels,ood,overlay,json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'sources', nargs='+', type=Path, metavar='SOURCE',
        help='image, folder of images or of pairs, video, or bag')
    parser.add_argument('--output', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--overwrite', action='store_true',
        help='write into a folder that is not empty; files of the same names are replaced')
    parser.add_argument(
        '--save', default=_SAVED, metavar='LIST',
        help=f'what to write, separated by commas: {", ".join(ARTEFACTS)} (default: %(default)s)')
    parser.add_argument(
        '--weights', metavar='NAME|FILE', help='shipped weights by name, or a weights file')
    parser.add_argument('--config', type=Path, help='parameter file of the node')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', dest='overrides',
        help='any parameter of the node; repeat for more')
    parser.add_argument(
        '--size', metavar='WxH',
        help='size the network sees every image at [px]; default: that of the image')
    parser.add_argument(
        '--right', type=Path, metavar='FILE|FOLDER',
        help='right image of an image, or folder of the right images of a folder')
    parser.add_argument(
        '--calibration', type=Path, nargs='+', metavar='FILE',
        help='camera of the pairs: KITTI calib.txt, calib.json, or camera_info as YAML (one file '
        'with both cameras, or left and right)')
    parser.add_argument(
        '--topic', default='', help='images of one camera in a bag; default: the stereo pair')


def run(options: argparse.Namespace) -> int:
    """Segment every image of the sources; 0 if none was left out."""
    artefacts = check_artefacts(filter(None, options.save.split(',')))
    values = _option_values(options)
    config = PerceptionConfig.from_values(values)
    camera = _read_camera(options)
    failures = Failures()
    sources = list(_open_sources(options, camera, config.input.rectify, failures))
    check_output(options.output, overwrite=options.overwrite)
    if not sources:
        return 1
    if not pays_for_export(sources, has_size=options.size is not None):
        values.setdefault('inference.engine', 'torch')
    keep_freed_memory()
    segmenter = load(
        size=None if options.size is None else parse_size(options.size), **values)

    console = Console()
    started_s, total = time.monotonic(), 0
    with segmenter, _progress(console) as progress:
        for source, folder in zip(sources, _folders(sources), strict=True):
            task = progress.add_task(source.name, total=source.length or None)
            writer = Writer(options.output, folder, artefacts, source)
            try:
                for _ in writer.write_all(segmenter, camera, failures):
                    progress.advance(task)
            except OutputError:
                raise
            except LdnPerceptionError as error:
                failures.add(str(source.path), error)
            total += writer.count
    seconds = time.monotonic() - started_s
    console.print(
        f'{total} images in {seconds:.1f} s, {len(failures.names)} left out: {options.output}',
        soft_wrap=True)
    return 1 if failures.names else 0


@dataclass(slots=True)
class Failures:
    """Inputs that could not be used, reported on standard error when they come up.

    Attributes:
        names: Their names.
    """

    names: list[str] = field(default_factory=list)

    def add(self, name: str, error: LdnPerceptionError) -> None:
        """Report an input that is left out, and why."""
        self.names.append(name)
        print(f'ldn: left out {name}: {error}', file=sys.stderr)


@dataclass(slots=True)
class Writer:
    """Writes the results of one source.

    Attributes:
        output: Folder of all results.
        folder: Folder inside those of the artefacts; empty for none.
        artefacts: What is written.
        source: The source.
        count: Results written.
    """

    output: Path
    folder: str
    artefacts: tuple[str, ...]
    source: Source
    count: int = 0

    def write_all(
        self, segmenter: Segmenter, camera: StereoCamera | None, failures: Failures,
    ) -> Iterator[None]:
        """Segment and write every input; yields after each.

        Raises:
            OutputError: A file cannot be written.
            LdnPerceptionError: The source is damaged from some input on.
        """
        place = f'{self.source.path}: '

        def refuse(name: str, error: LdnPerceptionError) -> None:
            failures.add(place + name, error)

        makes_video = self.source.rate_hz is not None and 'overlay' in self.artefacts
        with self._video() if makes_video else _no_video() as show:
            for name, result in segmenter.stream(self.source, camera=camera, refuse=refuse):
                try:
                    result.save(self.output, os.path.join(self.folder, name), [
                        artefact for artefact in self.artefacts
                        if not (makes_video and artefact == 'overlay')])
                    show(result)
                    self.count += 1
                except OutputError:
                    raise
                except LdnPerceptionError as error:
                    refuse(name, error)
                yield

    @contextmanager
    def _video(self) -> Iterator[Any]:
        """Callback that appends the overlay of a result to the video of the source."""
        assert self.source.rate_hz is not None
        path = self.output / 'overlay' / f'{self.folder or self.source.name}.mp4'
        path.parent.mkdir(parents=True, exist_ok=True)
        clock = VideoClock()
        with VideoWriter(path, self.source.rate_hz) as video:
            yield lambda result: video.write(
                pad_to_even(result.overlay()), clock.time_of(result.stamp_ns))


@contextmanager
def _no_video() -> Iterator[Any]:
    def show(_: Result) -> None:
        """Do nothing."""

    yield show


def _option_values(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters by name: the file's, those of the weights over them, --set over both."""
    return {
        **(read_parameter_file(options.config) if options.config is not None else {}),
        **(options_of_weights(options.weights) if options.weights is not None else {}),
        **parse_assignments(options.overrides, '--set')}


def _read_camera(options: argparse.Namespace) -> StereoCamera | None:
    files = options.calibration or []
    if options.right is not None and len(options.sources) > 1:
        raise ConfigError(
            '--right', must_be='beside one SOURCE', got=f'{len(options.sources)} of them',
            do='run the verb once for each')
    if options.right is not None and not files:
        raise ConfigError(
            '--right', must_be='beside --calibration', got='none',
            do='name the calibration of the cameras')
    if len(files) > 2:
        raise ConfigError(
            '--calibration', must_be='one file or two', got=len(files),
            do='name one, or camera_info of the left and of the right camera')
    return StereoCamera.from_file(*files) if files else None


def _open_sources(
    options: argparse.Namespace, camera: StereoCamera | None, rectifies: bool,
    failures: Failures,
) -> Iterator[Source]:
    for path in options.sources:
        try:
            yield open_source(
                path, right=options.right, has_camera=camera is not None, rectifies=rectifies,
                topic=options.topic)
        except LdnPerceptionError as error:
            failures.add(str(path), error)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Make a folder for results.

    Args:
        path: The folder.
        overwrite: Whether it may hold files.

    Raises:
        OutputError: It is a file, cannot be made, or holds files.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        holds_files = any(path.iterdir())
    except OSError as error:
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got=error.strerror,
            do='choose another --output') from error
    if not os.access(path, os.W_OK):
        raise OutputError(
            f'output {path}', must_be='a folder that can be written', got='a read-only one',
            do='choose another --output')
    if holds_files and not overwrite:
        raise OutputError(
            f'output {path}', must_be='a new or empty folder', got='a folder with files',
            do='choose another --output, or add --overwrite')


def pays_for_export(sources: Sequence[Source], *, has_size: bool) -> bool:
    """Whether an engine that the network is exported for gains more than the export costs.

    Args:
        sources: Images to segment.
        has_size: Whether the network sees all of them at one size.
    """
    has_one_size = has_size or all(source.has_one_size for source in sources)
    is_long = (
        any(not source.length for source in sources)
        or sum(source.length for source in sources) >= _LEAST_IMAGES_FOR_EXPORT)
    return has_one_size and is_long


def _folders(sources: Iterable[Source]) -> list[str]:
    """Folder of the files of each source: none for a single source and for an image.

    A source whose name is taken gets a folder with a number.
    """
    sources = list(sources)
    taken: set[str] = set()
    folders = []
    for source in sources:
        name, number = source.name, 2
        while name in taken:
            name, number = f'{source.name}-{number}', number + 1
        taken.add(name)
        needs_none = len(sources) == 1 or (source.is_image and name == source.name)
        folders.append('' if needs_none else name)
    return folders


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description:32}'), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(), console=console)
