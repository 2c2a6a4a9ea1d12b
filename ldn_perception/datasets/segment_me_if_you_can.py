# Copyright 2026 The ldn_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SegmentMeIfYouCan: RoadAnomaly21 and RoadObstacle21."""

from __future__ import annotations

from pathlib import Path

from ldn_perception.datasets.anomaly_images import AnomalyImages
from ldn_perception.datasets.dataset_files import list_files
from ldn_perception.errors import DatasetError

LAYOUT = ('images/NAME.jpg (or .png, .webp) and, for validation images, '
          'labels_masks/NAME_labels_semantic.png')
_SUFFIX = '_labels_semantic'


class SegmentMeIfYouCan(AnomalyImages):
    """One track; its test images, whose masks are not public, are left out.

    Args:
        root: Folder of the track, dataset_AnomalyTrack or dataset_ObstacleTrack.

    Raises:
        DatasetError: Files are missing.

    Source: Chan et al., SegmentMeIfYouCan: a benchmark for anomaly segmentation, NeurIPS 2021
    datasets and benchmarks. In the obstacle track 255 also marks all that is off the road.
    """

    def __init__(self, root: Path) -> None:
        masks = list_files(root, f'labels_masks/*{_SUFFIX}.png', LAYOUT)
        images = {path.stem: path for path in list_files(root, 'images/*.*', LAYOUT)}
        names = [path.stem.removesuffix(_SUFFIX) for path in masks]
        missing = [name for name in names if name not in images]
        if missing:
            raise DatasetError(
                f'file {root / "images" / missing[0]}.*',
                must_be=f'there, in a layout of {LAYOUT}',
                got=f'{len(missing)} of {len(names)} such files missing',
                do='unpack the dataset again', reason='missing',
            )
        super().__init__(root, [images[name] for name in names], masks)
