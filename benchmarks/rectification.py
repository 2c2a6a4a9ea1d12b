# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cost of the rectification of raw images, and of the rectification check at start."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from interleaved import interleaved
from live_node import report

from ldn_perception.stereo.rectification import (
    CameraCalibration,
    PinholeCamera,
    Rectifier,
    measure_epipolar_residual,
)
from ldn_perception.synthetic_drive import SyntheticDrive

LENSES = {
    'plumb_bob': (-0.3, 0.1, 0.001, -0.001, 0.0),
    'rational_polynomial': (0.9, 0.1, 0.0, 0.0, 0.01, 1.2, 0.2, 0.0),
    'equidistant': (-0.02, 0.004, -0.001, 0.0),
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=int, default=30)
    parser.add_argument('--width', type=int, default=1242)
    parser.add_argument('--height', type=int, default=375)
    options = parser.parse_args()
    frame = SyntheticDrive(0, 8, options.width, options.height)[4].frame
    camera = PinholeCamera(720.0, 720.0, options.width / 2, options.height / 2)
    figures: dict[str, object] = {'image': f'{options.width}x{options.height}'}
    for model, lens in LENSES.items():
        calibration = CameraCalibration(
            'left', options.width, options.height, camera, model, lens,
            (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), camera)
        image = frame.left
        first = milliseconds(
            lambda image=image, known=calibration: Rectifier().rectify(image, known), options.runs)
        other = milliseconds(
            partial(Rectifier().rectify, image, calibration), options.runs)
        figures[f'{model}: first image, maps built [ms]'] = first
        figures[f'{model}: every other image [ms]'] = other
    figures['check of a pair, once [ms]'] = milliseconds(
        partial(measure_epipolar_residual, frame), options.runs // 6)
    report('rectification', figures)


def milliseconds(work: Callable[[], object], runs: int) -> float:
    """Median time of some work, after one warm-up run [ms]."""
    return interleaved({'': work}, runs)[''].median_ms


if __name__ == '__main__':
    main()
