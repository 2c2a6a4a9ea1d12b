# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn predict`: labels, masks and overlays of images, folders, videos and bags.

Files go to OUTPUT/ARTEFACT/NAME.png; the overlays of a video or bag become one video. If many
images have the same size, the network is first exported for a faster engine, unless --engine is
given. With --size the network sees resized images; results have the size of the image.
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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ldn_perception.cli import options
from ldn_perception.cli.given_weights import add_node_options, read_node_values
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.view import VideoClock, VideoWriter, pad_to_even
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.sources import Source, open_source
from ldn_perception.errors import ConfigError, LdnPerceptionError, OutputError
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.result import ARTEFACTS, Result, check_artefacts
from ldn_perception.segmenter import Segmenter, load
from ldn_perception.stereo_camera import StereoCamera

EXAMPLE = 'ldn predict street.jpg photos/ drive.mp4 recording/ --output results'

_LEAST_IMAGES_FOR_EXPORT = 64  # an export takes as long as some tens of images
_SAVED = 'labels,ood,overlay,json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'sources', nargs='+', type=Path, metavar='SOURCE',
        help='image, folder of images or of pairs, video, or bag')
    add_node_options(parser)
    options.add_size(parser)
    options.add_inference(parser)
    options.add_output(parser)
    options.add_overwrite(parser)
    parser.add_argument(
        '--save', default=_SAVED, metavar='LIST',
        help=f'what to write, separated by commas: {", ".join(ARTEFACTS)}')
    parser.add_argument(
        '--right', type=Path, metavar='FILE|FOLDER',
        help='right image of an image, or folder of the right images of a folder')
    parser.add_argument(
        '--calibration', type=Path, nargs='+', metavar='FILE',
        help='camera of the pairs: KITTI calib.txt, calib.json, or camera_info as YAML (one file '
        'with both cameras, or left and right)')
    options.add_topic(parser)


def run(given: argparse.Namespace) -> int:
    """Segment every image of the sources; exit code 0 if none was skipped."""
    artefacts = check_artefacts(filter(None, given.save.split(',')))
    values = read_node_values(given)
    config = PerceptionConfig.from_values(values)
    camera = _read_camera(given)
    failures = Failures()
    sources = list(_open_sources(given, camera, config.input.rectify, failures))
    make_output_folder(given.output, may_hold_files=given.overwrite)
    if not sources:
        return 1
    if not pays_for_export(sources, has_size=given.size is not None):
        values.setdefault('inference.engine', 'torch')
    keep_freed_memory()
    segmenter = load(
        size=None if given.size is None else options.parse_size(given.size), **values)

    console = Console()
    started_s, total = time.monotonic(), 0
    with segmenter, _progress(console) as progress:
        for source, folder in zip(sources, _folders(sources), strict=True):
            task = progress.add_task(source.name, total=source.length or None)
            writer = Writer(given.output, folder, artefacts, source)
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
        f'{total} images in {seconds:.1f} s, {len(failures.names)} left out: {given.output}',
        soft_wrap=True)
    return 1 if failures.names else 0


@dataclass(slots=True)
class Failures:
    """Names of unusable inputs; each is reported on standard error when it occurs.

    Attributes:
        names: Names of the skipped inputs.
    """

    names: list[str] = field(default_factory=list)

    def add(self, name: str, error: LdnPerceptionError) -> None:
        """Report a skipped input with its error."""
        self.names.append(name)
        print(f'ldn: left out {name}: {error}', file=sys.stderr)


@dataclass(slots=True)
class Writer:
    """Writer of the results of one source.

    Attributes:
        output: Folder of all results.
        folder: Subfolder in the folder of each artefact; empty for none.
        artefacts: Artefacts to write.
        source: The source.
        count: Number of results written.
    """

    output: Path
    folder: str
    artefacts: tuple[str, ...]
    source: Source
    count: int = 0

    def write_all(
        self, segmenter: Segmenter, camera: StereoCamera | None, failures: Failures,
    ) -> Iterator[None]:
        """Segment and write every input; yield after each of them.

        Raises:
            OutputError: A file cannot be written.
            LdnPerceptionError: The rest of the source is damaged.
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


def _read_camera(given: argparse.Namespace) -> StereoCamera | None:
    files = given.calibration or []
    if given.right is not None and len(given.sources) > 1:
        raise ConfigError(
            '--right', must_be='beside one SOURCE', got=f'{len(given.sources)} of them',
            do='run the verb once for each')
    if given.right is not None and not files:
        raise ConfigError(
            '--right', must_be='beside --calibration', got='none',
            do='name the calibration of the cameras')
    if len(files) > 2:
        raise ConfigError(
            '--calibration', must_be='one file or two', got=len(files),
            do='name one, or camera_info of the left and of the right camera')
    return StereoCamera.from_file(*files) if files else None


def _open_sources(
    given: argparse.Namespace, camera: StereoCamera | None, rectifies: bool,
    failures: Failures,
) -> Iterator[Source]:
    for path in given.sources:
        try:
            yield open_source(
                path, right=given.right, has_camera=camera is not None, rectifies=rectifies,
                topic=given.topic)
        except LdnPerceptionError as error:
            failures.add(str(path), error)


def pays_for_export(sources: Sequence[Source], *, has_size: bool) -> bool:
    """Tell if a faster engine saves more time than its export costs.

    Args:
        sources: Images to segment.
        has_size: True if the network sees all of them at one size.
    """
    has_one_size = has_size or all(source.has_one_size for source in sources)
    is_long = (
        any(not source.length for source in sources)
        or sum(source.length for source in sources) >= _LEAST_IMAGES_FOR_EXPORT)
    return has_one_size and is_long


def _folders(sources: Iterable[Source]) -> list[str]:
    """Output subfolder of each source: none for a single source or an image.

    If the name of a source is already taken, a number is appended.
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
