# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Input sources: an image, a folder, a video or a bag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ldn_perception.data.bag_messages import (
    NS_PER_S,
    RawBag,
    RawMessage,
    bag_errors,
    deserialize,
    read_stamp,
)
from ldn_perception.data.bag_reader import (
    COMPRESSED_IMAGE,
    IMAGE,
    StereoBagReader,
    find_stereo_topics,
)
from ldn_perception.data.image_folder import ImageFolder, find_layout
from ldn_perception.data.images import IMAGE_SUFFIXES, list_images, read_rgb
from ldn_perception.data.messages import image_from_message
from ldn_perception.errors import BagError, LdnPerceptionError, VideoError
from ldn_perception.types import StereoFrame

BAG_SUFFIXES = ('.mcap', '.db3', '.bag')

ACCEPTED = 'an image, a folder of images or pairs, a video or a bag'

Image = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

Input = StereoFrame | tuple[Image, Image | None]
"""Pair with its geometry, or a left image and an optional right one."""

Refuse = Callable[[str, LdnPerceptionError], None]
"""Callback for unusable inputs: name of the input and the error."""


class Item(NamedTuple):
    """One input of a source.

    Attributes:
        name: File name without suffix, frame number, or stamp [ns]; unique within the source.
        stamp_ns: Exposure time, or time since the start of a video; 0 if unknown [ns].
        read: Reads the input; raises LdnPerceptionError if it is damaged.
    """

    name: str
    stamp_ns: int
    read: Callable[[], Input]


@dataclass(frozen=True, slots=True)
class Source:
    """Inputs in a fixed order.

    Attributes:
        path: File or folder.
        length: Number of inputs; 0 if unknown.
        rate_hz: Mean rate of a video or a bag [Hz]; None for image files.
        has_one_size: True if all images have the same size.
        items: Iterator over the inputs. Undecodable inputs of a bag are skipped and passed to the
            callback; without a callback they raise.
    """

    path: Path
    length: int
    rate_hz: float | None
    has_one_size: bool
    items: Callable[[Refuse | None], Iterator[Item]]

    @property
    def is_image(self) -> bool:
        """True if the source is a single image file."""
        return self.path.suffix.lower() in IMAGE_SUFFIXES and self.path.is_file()

    @property
    def name(self) -> str:
        """Name of the file or folder without suffix."""
        path = self.path.resolve()
        return path.name if path.is_dir() else path.stem


def open_source(
    path: str | Path, *, right: str | Path | None = None, has_camera: bool = False,
    rectifies: bool = False, topic: str = '',
) -> Source:
    """Open an image, folder, video or bag as a source.

    Args:
        path: Image, folder, video or bag.
        right: Right image for an image, folder of right images with the same names for a folder.
        has_camera: True if the camera geometry is known, so a folder of pairs needs no
            calibration.
        rectifies: True if the images of a bag are raw and must be rectified with camera_info.
        topic: Image topic of a single camera in a bag; empty selects the stereo pair, or the only
            image topic.

    Raises:
        BagError: The path is missing, of another kind, or unreadable.
        VideoError: The video cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if right is not None and (is_bag(path) or suffix in VIDEO_SUFFIXES):
        raise BagError(
            f'source {path}', must_be='an image or a folder beside right images',
            got='a video or a bag', do='leave the right images out')
    if is_bag(path):
        return _open_bag(path, rectifies, topic)
    if path.is_file() and suffix in VIDEO_SUFFIXES:
        return _open_video(path)
    if path.is_file() and suffix in IMAGE_SUFFIXES:
        return _images(path, [path], None if right is None else [Path(right)])
    if not path.is_dir():
        raise BagError(
            f'source {path}', must_be=ACCEPTED,
            got='another file' if path.is_file() else 'nothing', do='check the path')
    return _open_folder(path, None if right is None else Path(right), has_camera)


def is_bag(path: Path) -> bool:
    """Return True if a path is a bag."""
    return path.suffix.lower() in BAG_SUFFIXES or is_bag_folder(path)


def is_bag_folder(path: Path) -> bool:
    """Return True if a folder is a bag, also one with an unfinished recording."""
    return (path / 'metadata.yaml').is_file() or any(
        next(path.glob(f'*{suffix}'), None) for suffix in BAG_SUFFIXES[:2])


def _open_folder(path: Path, right: Path | None, has_camera: bool) -> Source:
    if right is not None:
        lefts = list_images(path)
        return _images(path, lefts, _partners(lefts, right))
    layout = find_layout(path)
    if layout is not None and has_camera:
        return _images(path, layout[1], layout[2])
    if layout is not None:
        folder = ImageFolder(path)
        items = [
            Item(name, 0, partial(folder.read_frame, index))
            for index, name in enumerate(folder.names)]
        return Source(path, len(folder), None, True, lambda _: iter(items))
    images = list_images(path)
    if not images:
        raise BagError(
            f'source {path}', must_be=ACCEPTED, got='a folder without images',
            do='check the path; folders inside it are not searched')
    return _images(path, images, None)


def _partners(lefts: list[Path], folder: Path) -> list[Path]:
    rights = {path.stem: path for path in list_images(folder)}
    missing = [left.name for left in lefts if left.stem not in rights]
    if missing or not lefts:
        raise BagError(
            f'right images in {folder}', must_be='named as the left images',
            got=f'none for {missing[0]}' if missing else 'no left images',
            do='give the images of a pair the same name')
    return [rights[left.stem] for left in lefts]


def _images(path: Path, lefts: list[Path], rights: list[Path] | None) -> Source:
    def read(index: int) -> Input:
        return read_rgb(lefts[index]), None if rights is None else read_rgb(rights[index])

    items = [Item(left.stem, 0, partial(read, index)) for index, left in enumerate(lefts)]
    return Source(path, len(items), None, False, lambda _: iter(items))


def _open_video(path: Path) -> Source:
    reader = VideoReader(path)

    def items(_: Refuse | None) -> Iterator[Item]:
        for number, (time_ns, image) in enumerate(reader):
            yield Item(f'{number:06d}', time_ns, partial(_keep, (image, None)))

    return Source(path, len(reader), reader.rate_hz, True, items)


def _open_bag(path: Path, rectifies: bool, topic: str) -> Source:
    bag = RawBag(path)
    if not topic:
        images = [name for name, kind in bag.topics.items() if kind in (IMAGE, COMPRESSED_IMAGE)]
        if len(images) != 1:
            find_stereo_topics(bag.topics, raw=rectifies)  # raises a detailed error
            return _stereo_bag(path, rectifies)
        topic = images[0]
    return _one_camera(bag, '/' + topic.lstrip('/'))


def _stereo_bag(path: Path, rectifies: bool) -> Source:
    reader = StereoBagReader(path, rectify=rectifies)

    def items(refuse: Refuse | None) -> Iterator[Item]:
        def refuse_pair(index: int, error: BagError) -> None:
            assert refuse is not None
            refuse(str(reader.stamps_ns[index]), error)

        for index, sample in reader.numbered(refuse=refuse_pair if refuse else None):
            stamp_ns = reader.stamps_ns[index]
            yield Item(str(stamp_ns), stamp_ns, partial(_keep, sample.frame))

    return Source(path, len(reader), reader.rate_hz or None, True, items)


def _one_camera(bag: RawBag, topic: str) -> Source:
    if bag.topics.get(topic) not in (IMAGE, COMPRESSED_IMAGE):
        raise BagError(
            f'topic {topic} of {bag.path}', must_be=f'{IMAGE} or {COMPRESSED_IMAGE}',
            got=bag.topics.get(topic, f'missing among: {", ".join(sorted(bag.topics))}'),
            do='name a topic of images')

    def items(_: Refuse | None) -> Iterator[Item]:
        for message in bag.messages([topic]):
            stamp_ns = read_stamp(message.cdr)
            yield Item(str(stamp_ns), stamp_ns, partial(_decode, bag.path, message))

    count, duration_ns = bag.message_counts[topic], bag.duration_ns
    rate_hz = (count - 1) * NS_PER_S / duration_ns if count > 1 and duration_ns else None
    return Source(bag.path, count, rate_hz, True, items)


def _decode(path: Path, message: RawMessage) -> Input:
    with bag_errors(path):
        image = deserialize(message.cdr, message.msgtype)
    return image_from_message(image), None


def _keep(value: Input) -> Input:
    return value


VIDEO_SUFFIXES = ('.mp4', '.mkv', '.avi', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.ts')

_DEFAULT_RATE_HZ = 10.0
_NS_PER_S = 1_000_000_000


class VideoReader:
    """Frames of the first video stream, in the order of time.

    Args:
        path: Video file in any format supported by FFmpeg.

    Attributes:
        rate_hz: Mean frame rate, > 0 [Hz].

    Raises:
        VideoError: PyAV is missing, or the file is not a video.
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
                self._num_frames = int(stream.frames)
        except (av.FFmpegError, OSError, LookupError) as error:
            raise VideoError(
                f'video {self.path}', must_be='a video that FFmpeg reads', got=str(error),
                do='check the path, or convert the file') from error

    def __len__(self) -> int:
        """Number of frames as stated in the file; 0 if not stated."""
        return self._num_frames

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Decode the frames.

        Returns:
            Time since the start [ns], and (H, W, 3) uint8 RGB.

        Raises:
            VideoError: The video is damaged.
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
