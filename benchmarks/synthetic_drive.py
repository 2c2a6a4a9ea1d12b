# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering speed of the synthetic drive, without start-up."""

from __future__ import annotations

import argparse
import time

from live_node import report

from ldn_perception.synthetic_drive import ParallelDrive, SyntheticDrive


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pairs', type=int, default=60)
    options = parser.parse_args()
    figures: dict[str, object] = {'image': '640x320'}
    for seed in range(3):
        drive = SyntheticDrive(seed, options.pairs)
        for name, samples in (('one process', drive), ('every core', ParallelDrive(drive))):
            times = []
            for _ in samples:
                times.append(time.perf_counter())
            seconds = times[-1] - times[0]
            figures[f'seed {seed}, {name}: pairs per second'] = (len(times) - 1) / seconds
    report('synthetic_drive', figures)


if __name__ == '__main__':
    main()
