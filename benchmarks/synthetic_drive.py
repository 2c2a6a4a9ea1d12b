# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the synthetic drive is rendered, start-up left out."""

from __future__ import annotations

import argparse
import time

from live_node import report
import numpy as np

from ldn_perception.datasets.synthetic_drive import SyntheticDrive


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--pairs', type=int, default=40)
    options = parser.parse_args()
    figures: dict[str, object] = {'image': '640x320'}
    for seed in range(3):
        drive = SyntheticDrive(seed, options.pairs)
        drive[0]
        times = []
        for index in range(options.pairs):
            started = time.perf_counter()
            drive[index]
            times.append(time.perf_counter() - started)
        figures[f'seed {seed}: pairs per second over all'] = options.pairs / sum(times)
        figures[f'seed {seed}: median of a pair [ms]'] = float(np.median(times)) * 1e3
    report('synthetic_drive', figures)


if __name__ == '__main__':
    main()
