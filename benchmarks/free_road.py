# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Free road of a rendered drive: cost, and agreement of its grid with the ground truth.

The ground-truth grid is built in the same way from rendered labels, foreign objects and disparity.
"""

from __future__ import annotations

import argparse

from interleaved import interleaved
from live_node import report
import numpy as np

from ldn_perception.build import build_free_road_rule, build_grid_rule, build_perception
from ldn_perception.config import FreeRoadConfig, PerceptionConfig
from ldn_perception.free_road import LevelCamera, RoadGridBuilder, find_free_road
from ldn_perception.synthetic_drive import SyntheticDrive, SyntheticSample
from ldn_perception.taxonomy import CITYSCAPES, UNIVERSAL
from ldn_perception.types import GroundGrid, PerceptionResult, Quantity, Segmentation

CAMERA = LevelCamera(1.6)
"""Camera at rest; the drive sways by up to a degree, which is unknown to the node as well."""

NAMES = {GroundGrid.FREE: 'free', GroundGrid.OCCUPIED: 'occupied', GroundGrid.UNKNOWN: 'unknown'}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=117, help='117 is not in the training')
    parser.add_argument('--frames', type=int, default=8)
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=320)
    parser.add_argument('--runs', type=int, default=20)
    options = parser.parse_args()
    drive = SyntheticDrive(options.seed, 10 * options.frames, options.width, options.height)
    pipeline = build_perception(PerceptionConfig.from_values({
        'inference.device': 'cpu', 'inference.engine': 'torch',
        'stereo.max_disparity': 64})).pipeline
    counts = np.zeros((3, 3), int)
    for index in range(0, len(drive), 10):
        sample = drive[index]
        result = pipeline.process(sample.frame, Quantity.OOD_MASK | Quantity.DISPARITY)
        for i, true in enumerate(NAMES):
            for j, found in enumerate(NAMES):
                counts[i, j] += np.sum((true_cells(sample) == true) & (cells(result) == found))
    figures: dict[str, object] = {'image': f'{options.width}x{options.height}'}
    for j, found in enumerate(NAMES.values()):
        for i, true in enumerate(NAMES.values()):
            figures[f'cells found {found} that truly are {true} [%]'] = float(
                100 * counts[i, j] / counts[:, j].sum())
    figures['truly free cells found free [%]'] = float(100 * counts[0, 0] / counts[0].sum())
    figures.update(costs(result, options.runs))
    report('free_road', figures)


def cells(result: PerceptionResult) -> np.ndarray:
    """Grid of the pipeline's result."""
    assert result.disparity is not None
    rule = build_free_road_rule(FreeRoadConfig(), UNIVERSAL)
    geometry = result.frame.geometry
    depth = geometry.depth(result.disparity.to_host())
    free = find_free_road(result.segmentation, depth, geometry, rule, CAMERA)
    return RoadGridBuilder().build(
        free, result.segmentation, depth, geometry, CAMERA, rule,
        build_grid_rule(FreeRoadConfig())).cells


def true_cells(sample: SyntheticSample) -> np.ndarray:
    """Grid of the ground truth."""
    rule = build_free_road_rule(FreeRoadConfig(), CITYSCAPES)
    geometry = sample.frame.geometry
    segmentation = Segmentation('cityscapes', sample.labels, sample.foreign)
    depth = geometry.depth(sample.disparity)
    free = find_free_road(segmentation, depth, geometry, rule, CAMERA)
    return RoadGridBuilder().build(
        free, segmentation, depth, geometry, CAMERA, rule,
        build_grid_rule(FreeRoadConfig())).cells


def costs(result: PerceptionResult, runs: int) -> dict[str, object]:
    """Smallest CPU time of mask and grid."""
    assert result.disparity is not None
    rule, grid_rule = build_free_road_rule(FreeRoadConfig(), UNIVERSAL), build_grid_rule(
        FreeRoadConfig())
    geometry, segmentation = result.frame.geometry, result.segmentation
    depth, builder = geometry.depth(result.disparity.to_host()), RoadGridBuilder()
    free = find_free_road(segmentation, depth, geometry, rule, CAMERA)
    times = interleaved({
        'mask': lambda: find_free_road(segmentation, depth, geometry, rule, CAMERA),
        'grid beside it': lambda: builder.build(
            free, segmentation, depth, geometry, CAMERA, rule, grid_rule),
    }, runs)
    return {f'{name}, its CPU time [ms]': min(each.thread) for name, each in times.items()}


if __name__ == '__main__':
    main()
