# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OOD share and mean foreign probability of single images, on roads and indoors.

The default thresholds of the domain alarm lie between the two groups.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import cv2
from live_node import report
import numpy as np

from ldn_perception.build import build_perception
from ldn_perception.config import PerceptionConfig
from ldn_perception.pipeline import StereoSegmentationPipeline
from ldn_perception.types import CameraGeometry, Quantity, StereoFrame

SETS = {
    'indoor': 'indoor/*.*g',
    'CamVid test': 'camvid/test/images/*.png',
    'KITTI semantics': 'kitti2015_semantic/images/*',
    'KITTI odometry': 'kitti_odometry_seq1/image_l/*',
}
LONGEST_SIDE_PX = 1300


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', type=Path, help='folder of the data sets')
    parser.add_argument('--most', type=int, default=60, help='images of a set, spread over it')
    options = parser.parse_args()
    pipeline = build_perception(PerceptionConfig.from_values({
        'inference.device': 'cpu', 'inference.engine': 'torch'})).pipeline
    figures: dict[str, object] = {'threshold': pipeline.rule.threshold}
    for name, pattern in SETS.items():
        paths = sorted(options.data.glob(pattern))
        paths = paths[::math.ceil(len(paths) / options.most)]
        figures_of_images = np.array([foreign_figures(pipeline, path) for path in paths])
        figures[f'{name}: images'] = len(paths)
        for column, kind in enumerate(('OOD share', 'mean foreign probability')):
            values = figures_of_images[:, column]
            figures[f'{name}: {kind}, min median max'] = ' '.join(
                f'{value:.3f}' for value in (values.min(), np.median(values), values.max()))
    report('ood_share', figures)


def foreign_figures(pipeline: StereoSegmentationPipeline, path: Path) -> tuple[float, float]:
    """Compute OOD share and mean foreign probability of one image."""
    image = cv2.imread(str(path))[..., ::-1]
    if max(image.shape) > LONGEST_SIDE_PX:
        image = cv2.resize(image, None, fx=0.5, fy=0.5)
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    geometry = CameraGeometry(width, height, width, width, width / 2, height / 2, width / 2, 0.5)
    segmentation = pipeline.process(
        StereoFrame(0, '', image, image, geometry),
        Quantity.OOD_MASK | Quantity.FOREIGN_PROBABILITY).segmentation
    assert segmentation.ood_mask is not None
    assert segmentation.foreign_probability is not None
    return float(segmentation.ood_mask.mean()), float(segmentation.foreign_probability.mean())


if __name__ == '__main__':
    main()
