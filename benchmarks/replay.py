# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Share of reading, message decoding and writing in an offline replay.

Runs once with the pipeline and once with its results cached, so that the CPU time of everything
else is known even on a busy machine.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
import time

from live_node import report

from ldn_perception.build import build_perception, warm_up
from ldn_perception.cli.replay_configuration import (
    ReplayRequest,
    build_replay,
    parse_configurations,
)
from ldn_perception.config import parse_assignments
from ldn_perception.data.bag_writers import StereoBagWriter
from ldn_perception.data.image_folder import ImageFolder
from ldn_perception.hardware import keep_freed_memory
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.types import PerceptionResult, Quantity, StereoFrame

INPUT_OUTPUT = ('open', 'read', 'write', 'save')


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=Path, required=True, help='folder of pairs')
    parser.add_argument('--set', action='append', default=[], dest='overrides')
    options = parser.parse_args()
    keep_freed_memory()
    (configuration,) = parse_configurations(parse_assignments(options.overrides, '--set'), None)
    perception = build_perception(configuration.config)
    warm_up(perception, configuration.config.stereo)
    with TemporaryDirectory() as folder:
        drive, output = Path(folder) / 'drive', Path(folder) / 'output'
        images = ImageFolder(options.images)
        with StereoBagWriter(drive) as writer:
            for sample in images:
                writer.write(sample.frame, sample.labels, sample.foreign, sample.disparity)
        pipeline = RememberingPipeline(perception.pipeline)
        replay = build_replay(
            ReplayRequest((drive,)), configuration, replace(perception, pipeline=pipeline))
        started = time.perf_counter()
        replay.run(output)
        wall_s = time.perf_counter() - started
        seconds = json.loads((output / 'replay.json').read_text())['seconds']
        started_cpu = time.process_time()
        replay.run(Path(folder) / 'again')
        other_ms = 1e3 * (time.process_time() - started_cpu) / len(images)
    pipeline_ms = 1e3 * pipeline.cpu_s / len(images)
    cores = os.cpu_count() or 1
    spent_s = sum(seconds[stage] for stage in INPUT_OUTPUT)
    report('replay', {
        'pairs': len(images),
        'image': f'{images.geometry.width}x{images.geometry.height}',
        'model': configuration.name,
        'wall time [s]': round(wall_s, 2),
        **{f'{stage}, mean of a pair [ms]': round(1e3 * spent / len(images), 2)
           for stage, spent in seconds.items()},
        'reading, decoding of messages and writing [% of wall time]':
            round(100 * spent_s / wall_s, 1),
        'scores, hashes and pictures [% of wall time]':
            round(100 * seconds['score'] / wall_s, 1),
        'pipeline, CPU time of a pair [ms]': round(pipeline_ms, 1),
        'all else, CPU time of a pair [ms]': round(other_ms, 1),
        f'all else, % of a pair where the pipeline keeps {cores} cores busy':
            round(100 * other_ms / (other_ms + pipeline_ms / cores), 1),
    })


class RememberingPipeline:
    """Pipeline that caches the result of every pair.

    Attributes:
        cpu_s: CPU time of all threads in it [s].
    """

    def __init__(self, pipeline: StereoSegmentationPipeline) -> None:
        self._pipeline = pipeline
        self._results: dict[int, PerceptionResult] = {}
        self.cpu_s = 0.0

    def process(self, frame: StereoFrame, quantities: Quantity) -> PerceptionResult:
        """Compute the result of a pair, or return the cached one."""
        if frame.stamp_ns not in self._results:
            started = time.process_time()
            self._results[frame.stamp_ns] = self._pipeline.process(frame, quantities)
            self.cpu_s += time.process_time() - started
        return self._results[frame.stamp_ns]


if __name__ == '__main__':
    main()
