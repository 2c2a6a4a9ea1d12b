# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""`ldn view`: draw recorded results over their images as a video and pictures.

OUTPUT becomes a folder with view.mp4 and the pictures. The class list is that of the replay, or
universal, unless --taxonomy is given.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from fractions import Fraction
import json
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from ldn_perception.cli import options
from ldn_perception.cli.options import make_output_folder
from ldn_perception.cli.recorded_results import RecordedResult, ViewPairs, ViewSource
from ldn_perception.config import OutputConfig
from ldn_perception.errors import ConfigError, VideoError
from ldn_perception.evaluation.report_folder import ReplayedConfiguration, read_configuration
from ldn_perception.pictures import (
    Picture,
    captioned,
    color_disparity,
    overlay,
    paint_ood,
    write_picture,
)
from ldn_perception.taxonomy import TAXONOMIES, Taxonomy
from ldn_perception.types import UNLABELLED, Segmentation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

EXAMPLE = 'ldn view runs/replay/ldn121_64_4/bag --output runs/view'

LONGEST_PAUSE_NS = 2_000_000_000
"""Maximum time between two pairs in the video; longer or negative steps become this long."""

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
    """Draw every pair into a video and some pairs as pictures."""
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
    """Frame number, stamp and mean foreign probability of a pair.

    Args:
        index: Number of the pair, from 0.
        total: Number of pairs.
        result: Result of the pair; its foreign probability takes precedence.
        probability: Mean foreign probability recorded by the replay; None if unknown.
    """
    seconds, nanoseconds = divmod(result.stamp_ns, _NS_PER_S)
    image = result.images.get('foreign_probability')
    if image is not None:
        probability = float(image.mean(dtype=np.float64))
    known = '' if probability is None else f'   mean foreign probability {100 * probability:.1f} %'
    return (f'pair {index + 1} of {total}   stamp {seconds}.{nanoseconds // 1_000_000:03d} s'
            f'{known}')


def evenly_spaced(total: int, number: int) -> set[int]:
    """Choose evenly spaced numbers from 0 to total - 1, including the first and the last."""
    number = min(number, total)
    return {round(place * (total - 1) / max(1, number - 1)) for place in range(number)}


def usual_rate_hz(stamps_ns: list[int]) -> float:
    """Pairs per second, from the median time between two stamps.

    Args:
        stamps_ns: Increasing stamps [ns].
    """
    if len(stamps_ns) < 2:
        return _DEFAULT_RATE_HZ
    return _NS_PER_S / float(np.median(np.diff(stamps_ns)))


@dataclass(slots=True)
class VideoClock:
    """Clock of the video, which keeps the time between the stamps of consecutive pairs."""

    _last_stamp_ns: int | None = None
    _time_ns: int = field(default=0)

    def time_of(self, stamp_ns: int) -> int:
        """Time of the next pair in the video [ns].

        Args:
            stamp_ns: Stamp of the pair [ns].
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
    """Read the files that `ldn replay` wrote beside its bag; None for other bags."""
    folder = results.resolve().parent
    return read_configuration(folder) if (folder / 'replay.json').is_file() else None


def _taxonomy(name: str | None, replay: ReplayedConfiguration | None) -> Taxonomy:
    if name is None and replay is not None:
        name = replay.replay.get('taxonomy', {}).get('name')
    return TAXONOMIES[name or _DEFAULT_TAXONOMY]


def _max_disparity(replay: ReplayedConfiguration | None) -> float:
    settings = {} if replay is None else replay.replay.get('settings', {})
    return float(settings.get('stereo.max_disparity', _DEFAULT_MAX_DISPARITY))


TILE_WIDTHS_PX = (320, 960)
"""Minimum and maximum width of a tile [px]; images between them keep their width."""

_DIMMED = 0.45


@dataclass(frozen=True, slots=True)
class ViewStyle:
    """Appearance of a video.

    Attributes:
        taxonomy: Class list of the labels.
        max_disparity: Disparity of the warmest colour [px].
        overlay_opacity: Opacity of the class colours over the image, in [0, 1].
    """

    taxonomy: Taxonomy
    max_disparity: float
    overlay_opacity: float


def draw_frame(image: Picture, result: RecordedResult, text: str, style: ViewStyle) -> Picture:
    """Draw left image, overlay, out-of-distribution mask and disparity, two by two.

    Args:
        image: (H, W, 3) uint8 RGB.
        result: Result of this image, with labels; other missing parts stay black.
        text: ASCII caption above the tiles.
        style: Appearance.

    Returns:
        (H', W', 3) uint8 RGB with even sides.

    Raises:
        ConfigError: The labels are ids of another taxonomy.
    """
    labels = result.images['labels']
    _check_labels(labels, style.taxonomy)
    mask = result.images.get('ood_mask')
    segmentation = Segmentation(
        style.taxonomy.name, labels, None if mask is None else mask > 0)
    disparity = result.images.get('disparity')
    black = np.zeros_like(image)
    tiles = (
        ('left image', image),
        ('overlay', overlay(image, segmentation, style.taxonomy, style.overlay_opacity)),
        ('out of distribution', black) if mask is None else
        (f'out of distribution: {100 * float((mask > 0).mean()):.1f} % of the pixels',
         paint_ood(_dimmed(image), segmentation.ood_mask)),
        ('no disparity', black) if disparity is None else
        (f'disparity, 0 to {style.max_disparity:g} px',
         color_disparity(disparity, style.max_disparity)),
    )
    drawn = [captioned(_resized(tile), name) for name, tile in tiles]
    rows = np.vstack([np.hstack(drawn[:2]), np.hstack(drawn[2:])])
    return pad_to_even(captioned(rows, text))


def _check_labels(labels: np.ndarray, taxonomy: Taxonomy) -> None:
    largest = int(labels[labels != UNLABELLED].max(initial=0))
    if largest >= len(taxonomy):
        raise ConfigError(
            'labels to view', must_be=f'below {len(taxonomy)}, ids of {taxonomy.name}',
            got=largest, do='name the class list they were predicted with by --taxonomy')


def _dimmed(image: Picture) -> Picture:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) * np.float32(_DIMMED)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def _resized(image: Picture) -> Picture:
    height, width = image.shape[:2]
    target = int(np.clip(width, *TILE_WIDTHS_PX))
    if target == width:
        return image
    return np.asarray(cv2.resize(
        image, (target, max(1, round(height * target / width))),
        interpolation=cv2.INTER_AREA if target < width else cv2.INTER_NEAREST), np.uint8)


def pad_to_even(image: Picture) -> Picture:
    """Pad a picture with black to even sides, as required by H.264."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)))


_CODEC = 'libx264'
_OPTIONS = {'preset': 'veryfast', 'crf': '20'}
_TICKS_PER_S = 90_000  # time base of MPEG
_MAX_RATE_HZ = 240.0
_BT_709 = 1  # codes of ITU-T H.273
_LIMITED = 1


class VideoWriter:
    """Context manager that writes an H.264 video with individual presentation times to MP4.

    The file is playable even after an error in the block.

    Args:
        path: File to write; an existing one is replaced.
        rate_hz: Usual number of pictures per second.

    Raises:
        VideoError: PyAV or its H.264 encoder is missing, or the file cannot be written.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._tick = -1
        try:
            import av
        except ImportError as error:
            raise VideoError(
                'Python package av', must_be='installed', got=str(error),
                do='install it with `make environment`, or `pip install av`') from error
        self._av = av
        if _CODEC not in av.codecs_available:
            raise VideoError(
                'H.264 encoder of PyAV', must_be=_CODEC, got='a build of FFmpeg without it',
                do='install av from PyPI, whose wheels bring the encoder')
        try:
            path.touch()  # FFmpeg opens the file only with the first picture
            self._container = av.open(str(path), 'w', options={'movflags': '+faststart'})
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f'video {path}', must_be='a file that can be written', got=str(error),
                do='choose another --output') from error
        rate = Fraction(min(max(rate_hz, 1.0), _MAX_RATE_HZ)).limit_denominator(1000)
        self._stream = cast(
            'VideoStream', self._container.add_stream(_CODEC, rate=rate, options=_OPTIONS))
        self._stream.pix_fmt = 'yuv420p'
        context = self._stream.codec_context
        context.time_base = Fraction(1, _TICKS_PER_S)
        # Without these values, players guess the colour space from the height of the video.
        context.colorspace = context.color_primaries = context.color_trc = _BT_709
        context.color_range = _LIMITED

    def write(self, picture: Picture, time_ns: int) -> None:
        """Append a picture.

        Args:
            picture: (H, W, 3) uint8 RGB with even sides, all of one size.
            time_ns: Presentation time, later than that of the previous picture [ns].

        Raises:
            VideoError: The picture has another size, or the file cannot be written.
        """
        height, width = picture.shape[:2]
        stream = self._stream
        if not stream.codec_context.is_open:
            stream.width, stream.height = width, height
        if (stream.width, stream.height) != (width, height) or width % 2 or height % 2:
            raise VideoError(
                f'picture of {self._path}', must_be='of even sides, as large as the first one',
                got=f'{width}x{height} after {stream.width}x{stream.height}',
                do='make one video of images of one size')
        frame = self._av.VideoFrame.from_ndarray(picture, format='rgb24').reformat(
            format='yuv420p', dst_colorspace='ITU709', dst_color_range='MPEG')
        self._tick = max(time_ns * _TICKS_PER_S // _NS_PER_S, self._tick + 1)
        frame.pts = self._tick
        frame.time_base = Fraction(1, _TICKS_PER_S)
        self._mux(frame)

    def _mux(self, frame: VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (self._av.FFmpegError, OSError) as error:
            raise VideoError(
                f'video {self._path}', must_be='on a disk with space left', got=str(error),
                do='free some space and make it again') from error

    def close(self) -> None:
        """Write the pictures left in the encoder, and the index."""
        if self._stream.codec_context.is_open:
            self._mux(None)
        self._container.close()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
