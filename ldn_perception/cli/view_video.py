# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures as a video that every browser plays."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from ldn_perception.errors import VideoError
from ldn_perception.pictures import Picture

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_CODEC = 'libx264'
_OPTIONS = {'preset': 'veryfast', 'crf': '20'}
_TICKS_PER_S = 90_000  # what MPEG counts time in
_NS_PER_S = 1_000_000_000
_MAX_RATE_HZ = 240.0
_BT_709 = 1  # codes of ITU-T H.273
_LIMITED = 1


class VideoWriter:
    """An H.264 video in an MP4 file, every picture shown from its own time on.

    Used as a context manager; the file can be played however the block ends.

    Args:
        path: File to write; one that is there is replaced.
        rate_hz: Usual number of pictures a second.

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
            path.touch()  # FFmpeg opens the file with the first picture only
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
        # Players guess what is not said, and guess it by the height of the video.
        context.colorspace = context.color_primaries = context.color_trc = _BT_709
        context.color_range = _LIMITED

    def write(self, picture: Picture, time_ns: int) -> None:
        """Append a picture.

        Args:
            picture: (H, W, 3) uint8 RGB with even sides, all of one size.
            time_ns: When it is shown, later than the one before [ns].

        Raises:
            VideoError: The picture does not fit, or the disk does not take it.
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
        """Write what the encoder still holds, and the index."""
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
