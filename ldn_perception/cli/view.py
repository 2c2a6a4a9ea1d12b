# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn view`: recorded results over their images as a video and pictures.

OUTPUT becomes a folder with view.mp4 and the pictures. Labels are of the class list of the replay,
or of universal, unless --taxonomy is given.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli import options
from ldn_perception.cli.outputs import make_output_folder
from ldn_perception.cli.picture_tiles import write_picture
from ldn_perception.cli.recorded_results import RecordedResult
from ldn_perception.cli.view_frames import ViewStyle, draw_frame
from ldn_perception.cli.view_pairs import ViewPairs, ViewSource
from ldn_perception.cli.view_video import VideoWriter
from ldn_perception.config import OutputConfig
from ldn_perception.errors import ConfigError
from ldn_perception.replay.report_folder import ReplayedConfiguration, read_configuration
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy

EXAMPLE = 'ldn view runs/replay/ldn121_64_4/bag --output runs/view'

LONGEST_PAUSE_NS = 2_000_000_000
"""A longer time between two pairs, or one that goes back, is shown as one of this length."""

_DEFAULT_RATE_HZ = 10.0
_DEFAULT_TAXONOMY = 'universal'
_DEFAULT_MAX_DISPARITY = 128.0
_NS_PER_S = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the verb."""
    parser.add_argument(
        'bag', type=Path, metavar='BAG',
        help='bag with the left images, as `ldn replay` writes it')
    options.add_pictures(parser, default=6)
    options.add_output(parser, 'build/view')
    parser.add_argument(
        '--results', type=Path, metavar='BAG', help='bag with the results, where they lie apart')
    options.add_topic(parser)
    parser.add_argument(
        '--rectify', action='store_true', help='the images are raw; rectify by camera_info')
    parser.add_argument(
        '--played', type=Path, metavar='FILE',
        help='stamps a player gave the pairs: played.json of `ldn demo`')
    options.add_taxonomy(parser, TAXONOMIES)


def run(given: argparse.Namespace) -> int:
    """Draw every pair into a video and some of them as pictures."""
    console = Console()
    make_output_folder(given.output)
    results = given.results or given.bag
    pairs = ViewPairs(ViewSource(
        given.bag, results, given.topic, given.rectify, _read_played(given.played)))
    replay = _replay_beside(results)
    style = ViewStyle(
        _taxonomy(given.taxonomy, replay), _max_disparity(replay),
        OutputConfig().overlay_opacity)
    probabilities = {} if replay is None else dict(zip(
        replay.frames.stamp_ns.tolist(), replay.frames.series['mean_foreign_probability'].tolist(),
        strict=True))
    folder = given.output / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    chosen = evenly_spaced(len(pairs), given.pictures)
    clock = VideoClock()
    video = given.output / 'view.mp4'
    with VideoWriter(video, usual_rate_hz(pairs.stamps_ns)) as writer, \
            Progress(console=console) as progress:
        for index, (image, result) in enumerate(progress.track(
                pairs, len(pairs), description='drawing')):
            known = probabilities.get(result.stamp_ns)
            frame = draw_frame(image, result, caption(index, len(pairs), result, known), style)
            writer.write(frame, clock.time_of(result.stamp_ns))
            if index in chosen:
                write_picture(folder / f'{index:06d}.png', frame)
    console.print(f'video: {video}   pictures: {folder}', soft_wrap=True)
    return 0


def caption(index: int, total: int, result: RecordedResult, probability: float | None) -> str:
    """Frame, stamp and mean foreign probability of a pair.

    Args:
        index: Number of the pair, from 0.
        total: Number of pairs.
        result: Of the pair; its foreign probability is what counts.
        probability: Its mean as the replay has noted it; None for unknown.
    """
    seconds, nanoseconds = divmod(result.stamp_ns, _NS_PER_S)
    image = result.images.get('foreign_probability')
    if image is not None:
        probability = float(image.mean(dtype=np.float64))
    known = '' if probability is None else f'   mean foreign probability {100 * probability:.1f} %'
    return (f'pair {index + 1} of {total}   stamp {seconds}.{nanoseconds // 1_000_000:03d} s'
            f'{known}')


def evenly_spaced(total: int, number: int) -> set[int]:
    """Choose so many of 0 to total - 1, the first and the last among them."""
    number = min(number, total)
    return {round(place * (total - 1) / max(1, number - 1)) for place in range(number)}


def usual_rate_hz(stamps_ns: list[int]) -> float:
    """Pairs a second by the median of the time between two.

    Args:
        stamps_ns: Increasing [ns].
    """
    if len(stamps_ns) < 2:
        return _DEFAULT_RATE_HZ
    return _NS_PER_S / float(np.median(np.diff(stamps_ns)))


@dataclass(slots=True)
class VideoClock:
    """When a pair is shown: as long after the one before as it was taken after it."""

    _last_stamp_ns: int | None = None
    _time_ns: int = field(default=0)

    def time_of(self, stamp_ns: int) -> int:
        """Time of the next pair in the video [ns].

        Args:
            stamp_ns: Its stamp [ns].
        """
        if self._last_stamp_ns is not None:
            step = stamp_ns - self._last_stamp_ns
            self._time_ns += step if 0 < step <= LONGEST_PAUSE_NS else LONGEST_PAUSE_NS
        self._last_stamp_ns = stamp_ns
        return self._time_ns


def _read_played(path: Path | None) -> dict[int, int] | None:
    if path is None:
        return None
    try:
        return {int(old): int(new) for old, new in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f'--played {path}', must_be='JSON of stamps in the bag and as they were played',
            got=str(error), do='give played.json of `ldn demo`') from error


def _replay_beside(results: Path) -> ReplayedConfiguration | None:
    """What `ldn replay` has noted beside the bag it wrote; None for other bags."""
    folder = results.resolve().parent
    return read_configuration(folder) if (folder / 'replay.json').is_file() else None


def _taxonomy(name: str | None, replay: ReplayedConfiguration | None) -> Taxonomy:
    if name is None and replay is not None:
        name = replay.replay.get('taxonomy', {}).get('name')
    return TAXONOMIES[name or _DEFAULT_TAXONOMY]


def _max_disparity(replay: ReplayedConfiguration | None) -> float:
    settings = {} if replay is None else replay.replay.get('settings', {})
    return float(settings.get('stereo.max_disparity', _DEFAULT_MAX_DISPARITY))
