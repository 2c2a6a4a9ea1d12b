# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Output folder of one replayed configuration: settings, scores and bag of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
import shutil
import time
from typing import Any

import numpy as np

from ldn_perception.data.bag_messages import build_header, build_message, serialize
from ldn_perception.data.bag_reader import CAMERA_INFO, DISPARITY_IMAGE, IMAGE, StereoTopics
from ldn_perception.data.bag_writers import SegmentedBagWriter, is_grey, segment_files
from ldn_perception.data.message_fields import (
    Fields,
    camera_info_fields,
    disparity_fields,
    image_fields,
)
from ldn_perception.errors import ReplayError
from ldn_perception.evaluation.replay_checkpoint import (
    Checkpoint,
    open_lines,
    read_lines,
    summarise_lines,
    write_line,
)
from ldn_perception.metrics.pair_scorer import PairScores, plain
from ldn_perception.metrics.segmentation import ConfusionMatrix
from ldn_perception.taxonomy import Taxonomy
from ldn_perception.types import PerceptionResult, StereoFrame

BAG = 'bag'
"""Folder name of the bag of results."""

CHECKPOINT = 'checkpoint.npz'
"""File name of the checkpoint from which a replay resumes."""


class ReplayFolder:
    """Results of a replay, consistent up to the last checkpoint even after a crash.

    `replay.json` describes the replay. `frames.jsonl` and `dropped.jsonl` contain one line per
    pair, `bag/` the results, `pictures/` the notable pairs and `scores.json` the scores.
    `checkpoint.npz` contains the state for resuming: exact counts, and the lengths of the other
    files when it was written. On resuming, the files are truncated to these lengths.

    Args:
        path: The folder; created if missing.
        settings: Settings of the replay.

    Attributes:
        state: State of the replay, read from the disk if there is one.

    Raises:
        ReplayError: It contains a replay with other settings, or other files.
        BagError: Files of its bag are missing.
    """

    def __init__(self, path: Path, settings: ReplaySettings) -> None:
        self.path = path
        self._settings = settings
        self._checkpoint = path / CHECKPOINT
        self._wanted = settings.to_json()
        self.is_complete = is_finished(path, settings)
        if self._checkpoint.is_file():
            self.state = Checkpoint.load(self._checkpoint)
        else:
            shutil.rmtree(path / BAG, ignore_errors=True)
            self.state = Checkpoint(PairScores(ConfusionMatrix(settings.taxonomy.num_driving)))
        progress = self.state.progress
        path.mkdir(parents=True, exist_ok=True)
        self._frames = open_lines(path / 'frames.jsonl', progress.frames_bytes)
        self._dropped = open_lines(path / 'dropped.jsonl', progress.dropped_bytes)
        self.bag = ResultBag(
            path / BAG, progress.segments, writes_images=settings.writes_images,
        ) if settings.writes_bag else None
        if not self.is_complete:
            self._write_description(complete=False)

    def write_frame(self, line: dict[str, Any]) -> None:
        """Append a line to frames.jsonl; it survives a crash."""
        write_line(self._frames, line)

    def write_dropped(self, line: dict[str, Any]) -> None:
        """Append a line to dropped.jsonl."""
        write_line(self._dropped, line)

    def save(self) -> None:
        """Write a checkpoint of everything so far.

        Raises:
            BagError: The results cannot be written.
        """
        started = time.perf_counter()
        if self.bag is not None:
            self.bag.finish_segment()
        self.state.progress = self.state.progress.at(
            self._frames.tell(), self._dropped.tell(),
            self.bag.num_segments if self.bag is not None else 0)
        self.state.save(self._checkpoint)
        self.state.progress = self.state.progress.with_seconds(
            {'save': time.perf_counter() - started})

    def finish(self, *, complete: bool) -> None:
        """Write scores, pictures and the description of the replay so far."""
        self.state.pictures.write(self.path / 'pictures')
        write_json(self.path / 'scores.json', self.scores())
        self._write_description(complete=complete)
        self.is_complete = complete

    def scores(self) -> dict[str, Any]:
        """Contents of scores.json: shares in [0, 1], milliseconds, None for unknown values."""
        state = self.state
        return {
            'pairs': state.progress.to_json(),
            **state.scores.to_json(self._settings.taxonomy),
            **summarise_lines(read_lines(self.path / 'frames.jsonl')),
            'pictures': state.pictures.to_json(),
        }

    def _write_description(self, *, complete: bool) -> None:
        progress = self.state.progress
        write_json(self.path / 'replay.json', {
            **self._wanted, 'counts': progress.to_json(), 'seconds': dict(progress.seconds),
            'complete': complete})

    def close(self) -> None:
        """Close the files."""
        self._frames.close()
        self._dropped.close()


def is_finished(path: Path, settings: ReplaySettings) -> bool:
    """Tell if a folder contains a complete replay; nothing is changed.

    Args:
        path: The folder; may be missing.
        settings: Settings of the replay.

    Raises:
        ReplayError: It contains a replay with other settings, or other files.
    """
    if not path.exists():
        return False
    description = path / 'replay.json'
    if not description.is_file():
        if not path.is_dir() or any(path.iterdir()):
            raise ReplayError(
                f'output {path}', must_be='a new or empty folder, or one of a replay',
                got='a folder with other files' if path.is_dir() else 'a file',
                do='choose another --output')
        return False
    if not (path / CHECKPOINT).is_file():
        return False  # without a checkpoint it starts from the beginning
    stored = json.loads(description.read_text())
    check_same(path, stored, settings.to_json())
    return bool(stored['complete'])


def write_json(path: Path, value: Any) -> None:
    """Replace a file by a JSON value; NaN becomes null."""
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(plain(value), indent=2) + '\n')
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Settings that determine the results of a replay.

    Attributes:
        name: Name of the configuration.
        bags: Bags in the order of the replay.
        options: Values of all options by name.
        taxonomy: Class list of the labels.
        weights: File of the network's weights; None for random ones.
        ground_truth: Folder with additional ground truth, see `truth_path`; None for none.
        writes_bag: True to write a bag of results.
        writes_images: True to include the left images in it.

    Raises:
        ReplayError: There is no bag, or a bag occurs twice or is missing.
    """

    name: str
    bags: tuple[Path, ...]
    options: Mapping[str, Any]
    taxonomy: Taxonomy
    weights: Path | None = None
    ground_truth: Path | None = None
    writes_bag: bool = True
    writes_images: bool = True

    def __post_init__(self) -> None:
        resolved = [bag.resolve() for bag in self.bags]
        if not resolved or len(set(resolved)) < len(resolved):
            twice = [str(bag) for bag in self.bags if resolved.count(bag.resolve()) > 1]
            raise ReplayError(
                'bags of a replay', must_be='one or more, each once',
                got=f'{twice[0]} again' if twice else 'none', do='name every bag once')
        for bag in self.bags:
            if not bag.exists():
                raise ReplayError(
                    f'bag {bag}', must_be='an existing file or folder', got='nothing there',
                    do='check the path')

    @property
    def rectifies(self) -> bool:
        """True if the images are raw and are rectified."""
        return bool(self.options['input.rectify'])

    @property
    def slop_s(self) -> float:
        """Maximum difference between the stamps of a pair [s]."""
        if self.options['input.synchronization'] == 'exact':
            return 0.0
        return float(self.options['input.slop_s'])

    def truth_path(self, bag: Path) -> Path | None:
        """Ground truth of a bag: the subfolder of its name; for a single bag else the folder."""
        if self.ground_truth is None:
            return None
        own = self.ground_truth / bag.stem
        return self.ground_truth if len(self.bags) == 1 and not own.is_dir() else own

    def to_json(self) -> dict[str, Any]:
        """Description that identifies the replay."""
        taxonomy = self.taxonomy
        return {
            'name': self.name,
            'bags': [str(bag.resolve()) for bag in self.bags],
            'bag_bytes': [_size(bag) for bag in self.bags],
            'settings': dict(self.options),
            'model': self.options['model.name'],
            'weights': None if self.weights is None else str(self.weights),
            'weights_sha256': None if self.weights is None else hashlib.sha256(
                self.weights.read_bytes()).hexdigest(),
            'taxonomy': {
                'name': taxonomy.name, 'num_driving': taxonomy.num_driving,
                'classes': [
                    {'name': info.name, 'color': list(info.color), 'domain': info.domain.value,
                     'category': info.category}
                    for info in taxonomy.classes
                ],
            },
            'ground_truth': None if self.ground_truth is None
            else str(self.ground_truth.resolve()),
            'writes_bag': self.writes_bag,
            'writes_images': self.writes_images,
        }


def check_same(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a stored replay has the same settings.

    Args:
        folder: Folder of the replay.
        stored: Its replay.json.
        wanted: `ReplaySettings.to_json` of the new replay.

    Raises:
        ReplayError: A setting differs; the message names it.
    """
    for name, value in wanted.items():
        before = stored.get(name)
        if before == value:
            continue
        what = name.replace('_', ' ')
        if isinstance(value, dict) and isinstance(before, dict):
            what, before, value = next(
                (f'{what} {key}', before.get(key), value.get(key))
                for key in {**before, **value} if before.get(key) != value.get(key))
        raise ReplayError(
            f'{what} of the replay in {folder}',
            must_be=f'{before} as when it began', got=value,
            do='give the same arguments to go on with it, or another --output')


def _size(bag: Path) -> int:
    """Size of a bag's files [bytes]; 0 if there are none."""
    if bag.is_dir():
        return sum(file.stat().st_size for file in bag.iterdir() if file.is_file())
    return bag.stat().st_size if bag.is_file() else 0


LABELS = '/stereo_seg_node/labels'
OOD_MASK = '/stereo_seg_node/ood_mask'
DISPARITY = '/disparity'


class ResultBag:
    """MCAP bag of labels, mask, disparity, left calibration and left image of every pair.

    Stamp and reception time of each message are the stamp of the left image.

    Args:
        path: Directory of the bag.
        segments: Number of finished segments to keep.
        writes_images: True to include the left images.

    Raises:
        BagError: See `SegmentedBagWriter`.
    """

    def __init__(self, path: Path, segments: int = 0, *, writes_images: bool = True) -> None:
        self._writer = SegmentedBagWriter(path, segments)
        self._writes_images = writes_images

    @property
    def num_segments(self) -> int:
        """Number of finished segments."""
        return self._writer.num_segments

    def write(self, result: PerceptionResult, topics: StereoTopics) -> None:
        """Append the result of a pair.

        Args:
            result: Result of the pair; quantities that were not computed are skipped.
            topics: Topics of the pair; left image and calibration keep their names.

        Raises:
            BagError: The results cannot be written.
        """
        frame, segmentation = result.frame, result.segmentation
        self._put(frame, topics.left_info, CAMERA_INFO, camera_info_fields(frame.geometry, 'left'))
        if self._writes_images:
            name = topics.left_image.removesuffix('/compressed')
            self._put(frame, name, IMAGE, _left_fields(frame))
        self._put(frame, LABELS, IMAGE, image_fields(segmentation.labels, 'mono8'))
        if segmentation.ood_mask is not None:
            mask = segmentation.ood_mask.view(np.uint8) * np.uint8(255)
            self._put(frame, OOD_MASK, IMAGE, image_fields(mask, 'mono8'))
        if result.disparity is not None:
            fields = disparity_fields(result.disparity, frame.geometry)
            self._put(frame, DISPARITY, DISPARITY_IMAGE, fields)

    def take_over(self, bag: Path) -> None:
        """Append the results of another replay.

        Args:
            bag: Its finished bag, which is not changed.

        Raises:
            BagError: A file of it cannot be read.
        """
        self._writer.take_over(segment_files(bag))

    def finish_segment(self) -> None:
        """Finish the current segment of the bag.

        Raises:
            BagError: The segment cannot be written.
        """
        self._writer.finish_segment()

    def _put(self, frame: StereoFrame, topic: str, msgtype: str, fields: Fields) -> None:
        header = build_header(frame.stamp_ns, frame.frame_id)
        message = build_message(msgtype, fields, header)
        self._writer.write(topic, msgtype, frame.stamp_ns, serialize(message, msgtype))


def _left_fields(frame: StereoFrame) -> Fields:
    if is_grey(frame.left):
        return image_fields(frame.left[..., 0], 'mono8')
    return image_fields(frame.left, 'rgb8')
