# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ldn_perception.errors import VideoError

if TYPE_CHECKING:
    from numpy.typing import NDArray

VIDEO_SUFFIXES = ('.mp4', '.mkv', '.avi', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')

_DEFAULT_RATE_HZ = 10.0
_NS_PER_S = 1_000_000_000


class VideoReader:
    """Frames of the first video stream, in the order of their time.

    Args:
        path: Video file, of any format that FFmpeg reads.

    Attributes:
        rate_hz: Mean rate of the frames, > 0 [Hz].

    Raises:
        VideoError: PyAV is missing, or the file is no video.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            import av
        except ImportError as error:
            raise VideoError(
                'Python package av', must_be='installed to read videos', got=str(error),
                do='pip install av') from error
        self._av = av
        try:
            with av.open(str(self.path)) as container:
                stream = container.streams.video[0]
                self.rate_hz = float(stream.average_rate or _DEFAULT_RATE_HZ)
                self._num_frames = stream.frames
        except (av.FFmpegError, OSError, LookupError) as error:
            raise VideoError(
                f'video {self.path}', must_be='a video that FFmpeg reads', got=str(error),
                do='check the path, or convert the file') from error

    def __len__(self) -> int:
        """Number of frames as the file tells it; 0 where it does not."""
        return self._num_frames

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode the frames.

        Returns:
            Time from the beginning [ns], and (H, W, 3) uint8 RGB.

        Raises:
            VideoError: The video is damaged from some frame on.
        """
        number = 0
        try:
            with self._av.open(str(self.path)) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    seconds = number / self.rate_hz if frame.time is None else frame.time
                    yield round(seconds * _NS_PER_S), frame.to_ndarray(format='rgb24')
        except (self._av.FFmpegError, OSError) as error:
            raise VideoError(
                f'video {self.path}', must_be='undamaged', got=f'{error} after frame {number}',
                do='copy or record it again') from error
