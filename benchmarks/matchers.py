# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Matchers in turn in one process, as ratios to SGBM with three paths.

The pair is rendered at KITTI's size unless a folder with left.png and right.png is given. With
--device cuda the learned matcher is timed on a GPU at two sizes with CUDA events: from images on
the host to the disparity on the GPU, and semi-global paths and winners separately.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
import os
from pathlib import Path

import cv2
from interleaved import Times, interleaved
from live_node import report
import numpy as np
import torch

from ldn_perception.build_stereo import build_matcher
from ldn_perception.config import PerceptionConfig
from ldn_perception.data.kitti import KittiStereoFolder
from ldn_perception.stereo.learned_cost import LEARNED_PENALTIES
from ldn_perception.stereo.semi_global_matcher import steps_on
from ldn_perception.synthetic_drive import SyntheticDrive
from ldn_perception.types import StereoFrame

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
GPU_SIZES = ((1242, 375, 128), (2048, 1024, 192))
"""(width, height, number of disparities) [px]."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--disparities', type=int, default=128)
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--images', type=Path, help='folder of a KITTI pair')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    options = parser.parse_args()
    if options.device == 'cuda':
        if not torch.cuda.is_available():
            parser.error('torch sees no GPU: leave --device out')
        report('matchers_gpu', gpu_figures(options.runs))
        return
    frame = (KittiStereoFolder(options.images)[0].frame if options.images is not None
             else SyntheticDrive(0, 8, 1242, 375)[4].frame)
    cv2.setNumThreads(options.threads)
    figures: dict[str, object] = {
        'image': f'{frame.geometry.width}x{frame.geometry.height}',
        'disparities': options.disparities, 'threads': options.threads,
    }
    times = measure(frame, options)
    for name in MATCHERS:
        for what, clock in (('wall', 'wall'), ('CPU', 'process')):
            own, reference = (getattr(times[each], clock) for each in (name, REFERENCE))
            median, least = float(np.median(own)), min(own)
            figures[f'{name}: {what} median / min [ms]'] = f'{median:.1f} / {least:.1f}'
            figures[f'{name}: {what} ratio of medians / of minima'] = (
                f'{median / float(np.median(reference)):.2f} / {least / min(reference):.2f}')
    report('matchers', figures)


def measure(frame: StereoFrame, options: argparse.Namespace) -> dict[str, Times]:
    """Time the matchers on a pair."""
    matchers = {
        name: build_matcher(config.stereo, config.inference)
        for name, config in (
            (name, PerceptionConfig.from_values({
                'stereo.max_disparity': options.disparities,
                'inference.num_threads': options.threads,
                **{f'stereo.{option}': value for option, value in chosen.items()}}))
            for name, chosen in MATCHERS.items())
    }
    return interleaved(
        {name: partial(matcher.match, frame) for name, matcher in matchers.items()}, options.runs)


def gpu_figures(runs: int) -> dict[str, object]:
    """Time the learned matcher and two of its steps on a GPU, by size and number of paths."""
    figures: dict[str, object] = {'device': torch.cuda.get_device_name()}
    for width, height, disparities in GPU_SIZES:
        frame = SyntheticDrive(0, 8, width, height)[4].frame
        costs = torch.randint(
            0, 256, (height, width, disparities), dtype=torch.uint8, device='cuda')
        grey = torch.from_numpy(cv2.cvtColor(frame.left, cv2.COLOR_RGB2GRAY)).cuda()
        steps = steps_on(costs.device)
        for num_paths in (4, 8):
            config = PerceptionConfig.from_values({
                'inference.device': 'cuda', 'stereo.matcher': 'learned',
                'stereo.max_disparity': disparities, 'stereo.num_paths': num_paths})
            matcher = build_matcher(config.stereo, config.inference)
            sums = steps.aggregate(costs, grey, LEARNED_PENALTIES, num_paths)
            for name, work in (
                ('learned', partial(matcher.match, frame)),
                ('paths alone', partial(
                    steps.aggregate, costs, grey, LEARNED_PENALTIES, num_paths)),
                ('winners alone', partial(steps.take_winners, sums, 0, 0)),
            ):
                times = gpu_milliseconds(work, runs)
                title = f'{width}x{height}, {disparities} disparities, {num_paths} paths, {name}'
                figures[f'{title}: median / min [ms]'] = (
                    f'{float(np.median(times)):.2f} / {min(times):.2f}')
    return figures


def gpu_milliseconds(work: Callable[[], object], runs: int) -> list[float]:
    """Times between two CUDA events around some work, without the first three runs [ms]."""
    times = []
    for _ in range(runs + 3):
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        before.record()
        work()
        after.record()
        after.synchronize()
        times.append(before.elapsed_time(after))
    return times[3:]


if __name__ == '__main__':
    main()
