# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Drives of tiny pairs, and a pipeline that is fast; run as a script it kills itself midway."""

from dataclasses import dataclass
import os
from pathlib import Path
import signal
import sys
import time

import numpy as np
from stereo_frames import shifted_frame
import torch

from ldn_perception.config import PerceptionConfig
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.decoding.decoder import OodRule, TorchDecoder
from ldn_perception.errors import BagError
from ldn_perception.evaluation.replay import Replay
from ldn_perception.evaluation.replay_folder import ReplaySettings
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.stereo.opencv_matchers import SemiGlobalBlockMatcher
from ldn_perception.taxonomy import UNIVERSAL

WIDTH, HEIGHT = 160, 96
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000


def stamps(first, last):
    return [START_NS + number * PERIOD_NS for number in range(first, last)]


def pair(stamp_ns):
    """A wall at 12 px in colours that the stamp decides."""
    frame = shifted_frame(12, WIDTH, HEIGHT, stamp_ns=stamp_ns)
    random = np.random.default_rng(stamp_ns // PERIOD_NS % 2**32)
    tint = random.integers(0, 120, 3).astype(np.uint8)
    return shifted_frame(
        12, WIDTH, HEIGHT, stamp_ns=stamp_ns, left=frame.left // 2 + tint,
        right=frame.right // 2 + tint)


def truth(stamp_ns):
    """Labels, foreign mask and disparity that fit no image, but always the same ones."""
    random = np.random.default_rng(stamp_ns // PERIOD_NS % 2**32 + 1)
    labels = random.integers(0, 19, (HEIGHT, WIDTH), np.uint8)
    labels[:4] = 255
    foreign = random.random((HEIGHT, WIDTH)) < 0.1
    labels[foreign] = 255
    disparity = np.full((HEIGHT, WIDTH), 12.0, np.float32)
    disparity[HEIGHT // 2:] = 20.0
    disparity[:, :8] = np.nan
    return labels, foreign, disparity


def write_drive(path, stamps_ns, with_truth=True):
    with StereoBagWriter(path) as writer:
        for stamp_ns in stamps_ns:
            writer.write(pair(stamp_ns), *(truth(stamp_ns) if with_truth else ()))
    return path


class ColorEngine:
    """A network whose logits are a fixed mixture of the mean colours of cells."""

    description = 'colours'
    device = torch.device('cpu')
    uses_disparity = False

    def __init__(self, kills_at=None, seen=None):
        self._kills_at = kills_at
        self._seen = seen
        self._count = 0
        self._mixture = torch.randn(
            len(UNIVERSAL), 3, generator=torch.Generator().manual_seed(1)) / 30

    def run(self, image, pixels_per_metre=None):
        self._count += 1
        if self._count == self._kills_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._seen is not None:
            self._seen(image)
        cells = torch.nn.functional.avg_pool2d(image.permute(2, 0, 1)[None].float(), 4)
        return torch.einsum('kc,nchw->nkhw', self._mixture, cells - 128)


def pipeline(max_disparity=32, **options):
    return StereoSegmentationPipeline(
        SemiGlobalBlockMatcher(max_disparity=max_disparity), ColorEngine(**options),
        TorchDecoder(UNIVERSAL), OodRule())


def settings(*bags, **changes):
    options = {**PerceptionConfig().to_values(), **changes.pop('options', {})}
    return ReplaySettings('tiny', tuple(bags), options, UNIVERSAL, **changes)


def draw(sample, result):
    """A picture that tells its pair."""
    return sample.frame.left


def replay(folder, *bags, pairs_per_segment=3, watcher=None, engine=None, **changes):
    """Replay into a folder; whether it came to its end."""
    return Replay(
        settings(*bags, **changes), pipeline(**(engine or {})), draw, pairs_per_segment,
    ).run(folder, watcher)


@dataclass
class TinyPart:
    """Replays a drive on a worker and notes its process for each pair; may kill itself once."""

    folder: Path
    bag: Path
    kills_at: int = 0

    @property
    def attempts(self):
        """Number of pairs that each process has begun, in the order of the processes."""
        processes = self._log.read_text().split()
        return [processes.count(process) for process in dict.fromkeys(processes)]

    @property
    def _log(self):
        return self.folder.with_suffix('.log')

    def __call__(self):
        kills_at = 0 if self._log.exists() else self.kills_at

        def note(_):
            with self._log.open('a') as log:
                log.write(f'{os.getpid()}\n')

        return replay(self.folder, self.bag, engine={'kills_at': kills_at, 'seen': note})


def fail_as_a_bag_does():
    raise BagError('it', must_be='a', got='b', do='c')


def fail_as_a_mistake_does():
    raise IndexError('no such thing')


@dataclass
class Patient:
    """Works until it is interrupted, and says so."""

    folder: Path

    def __call__(self):
        try:
            (self.folder / 'begun').touch()
            for _ in range(2000):
                time.sleep(0.05)  # a cancellation is seen between two steps of Python
        except KeyboardInterrupt:
            (self.folder / 'interrupted').touch()
        return False


if __name__ == '__main__':
    replay(Path(sys.argv[1]), *map(Path, sys.argv[3:]), engine={'kills_at': int(sys.argv[2])})
