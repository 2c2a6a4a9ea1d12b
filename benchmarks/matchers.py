# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matchers one after the other in one process, as ratios to SGBM with three paths.

The pair is a rendered one at KITTI's size unless a folder with left.png and right.png is given.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import time

import cv2
from live_node import report
import numpy as np

from ldn_perception.build import build_matcher
from ldn_perception.config import PerceptionConfig
from ldn_perception.datasets.kitti_stereo import KittiStereoFolder
from ldn_perception.datasets.synthetic_drive import SyntheticDrive
from ldn_perception.frames import StereoFrame

REFERENCE = 'sgbm'
MATCHERS: dict[str, dict[str, object]] = {
    'sgbm': {},
    'sgbm, 8 paths': {'num_paths': 8},
    'bm': {'matcher': 'bm'},
    'census': {'matcher': 'census'},
    'learned': {'matcher': 'learned'},
    'census, 8 paths': {'matcher': 'census', 'num_paths': 8},
    'sgbm, half size': {'resolution_divisor': 2},
    'census, half size': {'matcher': 'census', 'resolution_divisor': 2},
    'sgbm, quarter size': {'resolution_divisor': 4},
    'census, quarter size': {'matcher': 'census', 'resolution_divisor': 4},
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--disparities', type=int, default=128)
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--images', type=Path, help='folder of a KITTI pair')
    options = parser.parse_args()
    frame = (KittiStereoFolder(options.images)[0].frame if options.images is not None
             else SyntheticDrive(0, 8, 1242, 375)[4].frame)
    cv2.setNumThreads(options.threads)
    figures: dict[str, object] = {
        'image': f'{frame.geometry.width}x{frame.geometry.height}',
        'disparities': options.disparities, 'threads': options.threads,
    }
    wall, cpu = interleaved(frame, options)
    for name in MATCHERS:
        for what, times in (('wall', wall), ('CPU', cpu)):
            median, least = float(np.median(times[name])), min(times[name])
            reference = times[REFERENCE]
            figures[f'{name}: {what} median / min [ms]'] = f'{median:.1f} / {least:.1f}'
            figures[f'{name}: {what} ratio of medians / of minima'] = (
                f'{median / float(np.median(reference)):.2f} / {least / min(reference):.2f}')
    report('matchers', figures)


def interleaved(
    frame: StereoFrame, options: argparse.Namespace,
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds on the wall and of all CPU threads, of turns that the matchers take."""
    matchers = {
        name: build_matcher(config.stereo, config.inference)
        for name, config in (
            (name, PerceptionConfig.from_values({
                'stereo.max_disparity': options.disparities,
                'inference.num_threads': options.threads,
                **{f'stereo.{option}': value for option, value in chosen.items()}}))
            for name, chosen in MATCHERS.items())
    }
    wall: dict[str, list[float]] = {name: [] for name in matchers}
    cpu: dict[str, list[float]] = {name: [] for name in matchers}
    for turn in range(options.runs + 1):
        for name, matcher in matchers.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            matcher.match(frame)
            if turn:  # the first one warms up
                cpu[name].append((time.process_time() - cpu_started) * 1e3)
                wall[name].append((time.perf_counter() - started) * 1e3)
    return wall, cpu


if __name__ == '__main__':
    main()
